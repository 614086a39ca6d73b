"""Whether a lower or a higher value of a metric is better, for all code that ranks, selects or prunes.

Source of the tables: `keras.metrics.Metric._direction` ("up" or "down") of every Keras metric, and the Keras losses,
for which lower is better. A test compares the tables with the installed Keras. The losses `dice` and `tversky` are left
out, because metrics of the same names (the Dice and Tversky indices), for which higher is better, are common too.
"""

from __future__ import annotations

import math
import re
from enum import StrEnum


class Goal(StrEnum):
    """The direction in which a metric improves, spelled as in a sweep file."""

    MIN = "min"
    MAX = "max"

    @property
    def sign(self) -> int:
        """The factor that makes the best value the smallest: 1 for "min", -1 for "max"."""
        return -1 if self is Goal.MAX else 1

    @property
    def worst(self) -> float:
        """The worst value: inf for "min", -inf for "max"."""
        return self.sign * math.inf

    def utility(self, value: float) -> float:
        """Return a number that grows as the value gets better; -inf for NaN."""
        return -math.inf if math.isnan(value) else -self.sign * value

    def better(self, value: float, other: float) -> bool:
        """Return whether a value is better than another; NaN counts as the worst value."""
        return self.utility(value) > self.utility(other)


_SHARED = (  # losses that are also metrics, under every name that `compile` takes
    "binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy", "bce",
    "hinge", "squared_hinge", "categorical_hinge", "kl_divergence", "kld", "poisson",
    "mean_squared_error", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_logarithmic_error",
    "mse", "mae", "mape", "msle",
)  # fmt: skip
LOWER_IS_BETTER = frozenset((
    *_SHARED, "loss", "root_mean_squared_error", "logcosh", "log_cosh", "log_cosh_error", "huber",
    "binary_focal_crossentropy", "categorical_focal_crossentropy", "ctc", "circle",
    "categorical_generalized_cross_entropy",
    "false_positives", "false_negatives",
))  # fmt: skip
HIGHER_IS_BETTER = frozenset((
    "accuracy", "acc", "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy",
    "top_k_categorical_accuracy", "sparse_top_k_categorical_accuracy", "auc", "precision", "recall", "f1_score",
    "fbeta_score", "f_beta_score", "r2_score", "cosine_similarity", "pearson_correlation", "concordance_correlation",
    "io_u", "binary_io_u", "mean_io_u", "one_hot_io_u", "one_hot_mean_io_u",
    "precision_at_recall", "recall_at_precision", "sensitivity_at_specificity", "specificity_at_sensitivity",
    "true_positives", "true_negatives",
))  # fmt: skip
_NUMBERED = re.compile(r"_\d+$")  # the second AUC of a model is called auc_1
_WORD, _CAPITAL = re.compile(r"(.)([A-Z][a-z]+)"), re.compile(r"([a-z])([A-Z])")  # to snake case, as Keras does


def goal_of_metric(metric: str) -> Goal | None:
    """Return the direction in which a Keras metric improves, None if Keras has no such metric.

    `metric` is a name as in Keras' logs or in a sweep's objective, such as `validation/auc_1` or
    `RootMeanSquaredError`. The name of an output may come first, as in `price_mean_absolute_error`.
    """
    name = _CAPITAL.sub(r"\1_\2", _WORD.sub(r"\1_\2", metric.rpartition("/")[2])).lower()
    parts = _NUMBERED.sub("", name).split("_")
    for start in range(len(parts)):  # the longest name first: false_positives, not positives
        known = "_".join(parts[start:])
        if known in LOWER_IS_BETTER or known in HIGHER_IS_BETTER:
            return Goal.MIN if known in LOWER_IS_BETTER else Goal.MAX
    return None
