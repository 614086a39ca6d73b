"""The JSON form of the page of `hpdash show`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ...analysis.objective import objective_of
from ...analysis.rows import FIELDS, caveats, field_of
from ...runs import Run, Series
from ..statistics import statistics
from .show import Page, best_of


def to_json(page: Page) -> dict[str, Any]:
    """Return a run as JSON values: its fields, hyperparameters, metrics, statistics of weights, result and recipe."""
    run = page.run
    metrics = {tag: _metric_json(run, tag, series) for tag, series in sorted(run.scalars.items()) if len(series.values)}
    weights = {
        tag: [statistics(run, tag, series, at) for at in dict.fromkeys((0, len(series.steps) - 1))]
        for tag, series in sorted(page.histograms.items())
        if len(series.steps)
    }
    objective = objective_of([run])
    return {
        **{name: field_of(run, name, objective) for name in FIELDS},
        "unit": run.unit,
        "folder": str(run.folder),
        "started": run.started,
        "objective": asdict(objective) if objective else None,
        "caveats": caveats([run]),
        "inputs": page.inputs or None,
        "provenance": page.about.provenance.to_json() if page.about and page.about.provenance else None,
        "swept": list(run.swept),
        "hparams": dict(sorted(run.hparams.items())),
        "metrics": metrics,
        "layers": [asdict(layer) for layer in page.layers],
        "weights": weights,
        "looks": [each.to_json() for each in run.evaluations if run.number in {score.trial for score in each.scores}],
        "result": run.result.to_json() if run.result else None,
        "damage": [{"file": str(each.file), "offset": each.offset, "reason": each.reason} for each in run.damage],
        "recipe": page.recipe,
        "output": page.output or None,
    }


def _metric_json(run: Run, tag: str, series: Series) -> dict[str, Any]:
    found = best_of(run, tag, series)
    ends = {"steps": len(series.steps), "first": float(series.values[0]), "last": series.last}
    return ends | ({"best": found[0], "best_step": found[1]} if found else {})
