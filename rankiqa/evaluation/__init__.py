"""How far a model agrees with ranks or with people, and the reports that say it."""

from typing import TYPE_CHECKING

from rankiqa.lazy import on_demand

if TYPE_CHECKING:
    from rankiqa.evaluation.comparison import compare
    from rankiqa.evaluation.options import EvaluationOptions
    from rankiqa.evaluation.run import evaluate
    from rankiqa.evaluation.source import Source, open_source

__all__ = ["EvaluationOptions", "Source", "compare", "evaluate", "open_source"]

__getattr__ = on_demand(
    __name__,
    {
        "comparison": ("compare",),
        "options": ("EvaluationOptions",),
        "run": ("evaluate",),
        "source": ("Source", "open_source"),
    },
)
