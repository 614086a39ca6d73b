"""Propose settings with the tree-structured Parzen estimator (Bergstra et al., 2011) of Optuna.

Each proposal comes from a new Optuna study and sampler, which get all evidence in the order of the settings. So it
depends only on the sweep's seed, the setting's index and the evidence: not on the order in which results arrived, nor
on what a sampler proposed before.
"""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from ..goal import Goal
from ..spec import Hyperparameter, Sweep
from ..spec.domains import Choice, Domain, identity
from .evidence import Evidence
from .order import Order
from .random import Random
from .rejection import first_allowed
from .sobol import Sobol

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, Trial

STARTUP = 10  # scored settings that Optuna needs for its first proposal; until then settings come from Sobol's sequence
ATTEMPTS = 20  # Optuna's proposals for one setting; if none of them is allowed, the setting is drawn at random


class Tpe:
    """A strategy that proposes settings from the results so far; the first come from Sobol's sequence.

    In a finite space no setting comes twice. A setting that was pruned counts as worse than those that trained longer.
    One that diverged counts as the worst of all. One that is still running counts as bad, so that no similar one is
    proposed (Optuna's constant liar). One that failed is ignored.
    """

    def __init__(self, sweep: Sweep, count: int) -> None:
        self.count = count
        self._sweep, self._order = sweep, Order(sweep)
        self._first, self._random = Sobol(sweep, count), Random(sweep, count)
        self._domains = {hparam.name: hparam.domain for hparam in sweep.hparams}
        self._is_finite = all(domain.size is not None for domain in self._domains.values())

    def point(self, index: int, known: Sequence[Evidence] = ()) -> dict[str, Any]:
        """Return the point at an index from 0 to count - 1, given the evidence on the settings before it."""
        taken = {identity(each.point) for each in known} if self._is_finite else set()
        has_enough = sum(each.is_scored for each in known) >= STARTUP
        proposals = self._proposals(index, known) if has_enough else iter([self._first.point(index)])
        candidates = chain(proposals, self._random.draws(index))
        return first_allowed(self._sweep, candidates, lambda point: identity(point) not in taken)

    def _proposals(self, index: int, known: Sequence[Evidence]) -> Iterator[dict[str, Any]]:
        """Yield up to `ATTEMPTS` proposals of Optuna for one setting, each from a new study."""
        import optuna  # noqa: PLC0415  the import takes a second

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        direction = optuna.study.StudyDirection.MAXIMIZE if self._sweep.goal is Goal.MAX else None
        past = [trial for trial in map(self._frozen, known) if trial is not None]
        for attempt in range(ATTEMPTS):
            seed = random.Random(f"tpe/{self._sweep.seed}/{index}/{attempt}").getrandbits(32)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                sampler = optuna.samplers.TPESampler(
                    n_startup_trials=STARTUP, multivariate=True, group=True, constant_liar=True, seed=seed
                )
            study = optuna.create_study(sampler=sampler, direction=direction)
            study.add_trials(past)
            yield self._order.point(partial(_suggested, study.ask()))

    def _frozen(self, evidence: Evidence) -> FrozenTrial | None:
        """Return the evidence as a trial of an Optuna study, None if the setting failed."""
        from optuna.trial import TrialState, create_trial  # noqa: PLC0415

        if evidence.score is not None and not evidence.is_scored:
            return None
        params = {name: _encoded(self._domains[name], value) for name, value in evidence.point.items()}
        distributions = {name: _distribution(self._domains[name]) for name in params}
        about: dict[str, Any] = {"params": params, "distributions": distributions}
        if evidence.score is None:
            return create_trial(state=TrialState.RUNNING, **about)
        if math.isinf(evidence.score):  # Optuna ranks every complete trial above every pruned one, and this one last
            return create_trial(state=TrialState.PRUNED, **about)
        if evidence.epochs is None:
            return create_trial(state=TrialState.COMPLETE, value=evidence.score, **about)
        return create_trial(state=TrialState.PRUNED, intermediate_values={evidence.epochs: evidence.score}, **about)


def _distribution(domain: Domain) -> BaseDistribution:
    """Return Optuna's distribution for a domain.

    A finite domain becomes a distribution of indices, because integers are exact. A list's indices are categories,
    without order.
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution  # noqa: PLC0415

    if isinstance(domain, Choice):
        return CategoricalDistribution(tuple(range(domain.size)))
    if domain.size is not None:
        return IntDistribution(0, domain.size - 1)
    kind = IntDistribution if isinstance(domain.min, int) else FloatDistribution
    return kind(domain.min, domain.max, log=domain.scale == "log")  # type: ignore[arg-type]


def _encoded(domain: Domain, value: Any) -> Any:
    return value if domain.size is None else domain.index(value)


def _suggested(trial: Trial, hparam: Hyperparameter) -> Any:
    name, domain = hparam.name, hparam.domain
    if isinstance(domain, Choice):
        return domain.value(trial.suggest_categorical(name, tuple(range(domain.size))))
    if domain.size is not None:
        return domain.value(trial.suggest_int(name, 0, domain.size - 1))
    suggest = trial.suggest_int if isinstance(domain.min, int) else trial.suggest_float
    return suggest(name, domain.min, domain.max, log=domain.scale == "log")  # type: ignore[arg-type]
