"""How well scores agree with a truth: higher is better in both, and what cannot be computed is NaN, with a reason."""

from typing import TYPE_CHECKING

from rankiqa.lazy import on_demand

if TYPE_CHECKING:
    from rankiqa.metrics.correlation import agreement, krocc, lcc, linear_fit, rmse, srocc
    from rankiqa.metrics.logistic import LogisticFit, logistic_fit

__all__ = ["LogisticFit", "agreement", "krocc", "lcc", "linear_fit", "logistic_fit", "rmse", "srocc"]

__getattr__ = on_demand(
    __name__,
    {
        "correlation": ("agreement", "krocc", "lcc", "linear_fit", "rmse", "srocc"),
        "logistic": ("LogisticFit", "logistic_fit"),
    },
)
