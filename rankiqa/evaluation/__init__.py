"""How far a model agrees with ranks or with people, and the reports that say it."""

from rankiqa.evaluation.comparison import compare
from rankiqa.evaluation.options import EvaluationOptions
from rankiqa.evaluation.run import evaluate
from rankiqa.evaluation.source import Source, open_source

__all__ = ["EvaluationOptions", "Source", "compare", "evaluate", "open_source"]
