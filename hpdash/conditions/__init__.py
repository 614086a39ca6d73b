"""The language of conditions, for `--where` and `[[require]]`: `batchnorm = before and len(hidden) <= 2`.

A comparison has two sides, such as a name and a value, and one of `= == != < <= > >= in` and `not in` between them.
Comparisons are combined with `and`, `or`, `not` (in any case) and parentheses. `0 < a <= 1` is allowed, and so is a
name alone if its values are true and false. A side is

- a name that the caller's `Vocabulary` knows: a key, or for `--where` a hyperparameter, field or metric of a run;
- a number, a text in `"…"` or `'…'`, `true` or `false`, or a list, `(a, b)` or `[a, b]`;
- an element of a list, `hidden[0]`; a function of a list, `sum(hidden)`; or arithmetic with `+ - * / // %`.

A word without quotes is a text if the name on its left takes this value, otherwise a name: in `batchnorm = before`,
"before" is a text. A name with spaces or special characters is quoted, best with backticks. Nothing is run as code.

A list is compared by its elements, or as tables show it: `hidden = 512-256`. A number is also equal to the text that
tables show for it (six significant digits). A comparison with a name that has no value is false. If the evaluation is
`strict`, it is undecided, and the whole condition may be undecided too; `[[require]]` counts such a condition as met.
"""

from .errors import ConditionError
from .evaluation import Absent, holds
from .parser import Condition, Vocabulary, parse

__all__ = ["Absent", "Condition", "ConditionError", "Vocabulary", "holds", "parse"]
