"""The logistic curve that reports of image quality put between a predicted score and the human one.

People saturate at both ends of a scale, and a network's score has no scale of its own. Therefore the linear
correlation (LCC) and the RMSE are customarily taken after a monotonic curve, fitted to the very images that are
reported. With 4 parameters (Video Quality Experts Group, final report of phase I, 2000):

    (β1 − β2) / (1 + exp(−(x − β3) / |β4|)) + β2

and with 5 (Sheikh, Sabir, Bovik: A statistical evaluation of recent full reference image quality assessment
algorithms, IEEE TIP 2006), which holds every straight line, and need not be monotonic:

    β1 · (1/2 − 1 / (1 + exp(β2 · (x − β3)))) + β4 · x + β5
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage, optimize
from scipy.special import expit

from rankiqa.errors import InputError
from rankiqa.metrics.vectors import pearson, vectors, why_undefined

PARAMETERS = (4, 5)

# The bounds of the search, in standard deviations of the prediction. Centre: this far outside the data (more for a
# wide curve, see `_Projection._place`), which brings exponential curves into reach. Width: from a step to a curve
# that is a straight line with 4 parameters, and a cubic one with 5, where wider ones leave no digits of it.
CENTRE_OUTSIDE = 10.0
WIDTHS = {4: (1e-2, 1e4), 5: (1e-2, 2e1)}
FLAT = 1e-6  # a curve that rises or bends by less than this share counts as none

# Where the search starts: at the highest peaks of a grid.
GRID_CENTRES = np.linspace(0.02, 0.98, 15)  # quantiles of the prediction
GRID_OUTSIDE = 3.0  # and one centre this far outside on each side, in standard deviations
GRID_WIDTHS = np.geomspace(0.02, 8, 10)  # standard deviations
GRID_VALUES = 300  # of so many images at most
STARTS = 4
FINE, ROUGH = 1e-10, 1e-6  # a search ends where a step gains less than this share of the squares
EVALUATIONS = 100  # of the curve, in one search


@dataclass(frozen=True, eq=False)
class LogisticFit:
    """A fitted curve, and how well it agrees with the target.

    Attributes:
        parameters: β1, β2, … of the formula above, in the units of prediction and target. Different parameters can
            mean the same curve: where the data are straight, β1 and β2 are far beyond them. NaN where there is no fit.
        fitted: (n,) the curve at each prediction: predictions in the unit of the target.
        lcc: [−1, 1], Pearson's correlation of `fitted` and target, times −1 if the curve falls, that is if `fitted`
            and prediction correlate negatively. So a model that is upside down shows a negative number, though its
            curve, being free to fall, fits as well as any.
        rmse: of `fitted`, in the unit of the target.
        reason: empty, or why the numbers are NaN.
    """

    parameters: tuple[float, ...]
    fitted: np.ndarray = field(repr=False)
    lcc: float
    rmse: float
    reason: str = ""

    def __call__(self, x: ArrayLike) -> np.ndarray:
        """The curve at `x`, any shape, in the unit of the prediction; the shape of `x`, in the unit of the target."""
        x = np.asarray(x, dtype=np.float64)
        if len(self.parameters) == 4:
            b1, b2, b3, b4 = self.parameters
            return (b1 - b2) * expit((x - b3) / abs(b4)) + b2
        b1, b2, b3, b4, b5 = self.parameters
        return b1 * (expit(b2 * (x - b3)) - 0.5) + b4 * x + b5


def logistic_fit(
    prediction: ArrayLike, target: ArrayLike, parameters: int = 4, *, start: LogisticFit | None = None
) -> LogisticFit:
    """The logistic curve from prediction to target with the least squares.

    Args:
        prediction: (n,), higher is better. A linear change of it changes no fitted value, and turns the sign of `lcc`
            if it turns the direction.
        target: (n,), higher is better.
        parameters: 4 (monotonic) or 5 (a logistic plus a line: never worse than the least-squares line).
        start: a fit of similar data, such as of the set that these were resampled from. The search starts there
            alone, and ends at six digits: quicker, but it can miss a better curve elsewhere.

    Returns:
        The fit; all NaN with a `reason` for what `metrics.agreement` has no correlation for, for fewer values
        than parameters + 1, and where the search does not converge. Of a flat curve only `lcc` is NaN.

    Raises:
        InputError: different lengths, or another number of parameters.

    Only centre and width are searched, from the best places of a coarse grid by SciPy's Levenberg-Marquardt: the
    other parameters of the best curve follow from these in closed form (variable projection: Golub, Pereyra
    1973). A curve narrower than a hundredth of the prediction's standard deviation, a step between two images, is
    not sought. In pure noise the squares have many minima; then the curve is a good one, not always the best.

    >>> x = np.linspace(0, 10, 20)
    >>> fit = logistic_fit(-x, 60 / (1 + np.exp((x - 4) / 0.5)) + 20)
    >>> [round(value, 3) for value in fit.parameters], round(fit.lcc, 3)
    ([80.0, 20.0, -4.0, 0.5], 1.0)
    """
    if parameters not in PARAMETERS:
        raise InputError(f"a logistic curve has {' or '.join(map(str, PARAMETERS))} parameters, not {parameters}")
    x, y = vectors(prediction, target)
    reason = why_undefined(x, y)
    if not reason and len(x) <= parameters:
        reason = f"{len(x)} values, at least {parameters + 1} are needed for {parameters} parameters"
    if reason:
        return _no_fit(len(x), parameters, reason)
    (u, x_mean, x_unit), (v, y_mean, y_unit) = _standard(x), _standard(y)
    problem = _Projection(u, v, parameters)
    starts, tolerance = _grid_starts(u, v, parameters), FINE
    if start is not None and np.isfinite(start.parameters).all():
        starts, tolerance = [_place(start, x_mean, x_unit)], ROUGH
    searches = [problem.descend(place, tolerance) for place in starts]
    found = [(cost, place) for cost, place, converged in searches if converged]
    if not found:
        return _no_fit(len(x), parameters, f"the fit did not converge in {EVALUATIONS} evaluations of the curve")
    _, (centre, width) = min(found, key=lambda one: one[0])
    standard, height, slope, offset = problem.curve(centre, width)

    fitted = y_mean + y_unit * standard
    centre, width = x_mean + x_unit * centre, x_unit * width
    height, slope = y_unit * height, y_unit * slope / x_unit
    offset = y_mean + y_unit * offset - slope * x_mean  # curve: offset + slope · x + height · expit(…)
    of_curve: tuple[float, ...]
    if parameters == 4:
        of_curve = offset + height, offset, centre, width
    else:
        of_curve = height, 1 / width, centre, slope, offset + height / 2
    betas = tuple(float(beta) for beta in of_curve)
    error = y_unit * float(np.sqrt(np.mean((standard - v) ** 2)))
    if np.ptp(standard) <= FLAT:
        return LogisticFit(betas, fitted, float("nan"), error, "the fitted curve is flat")
    sign = -1 if pearson(u, standard) < 0 else 1
    return LogisticFit(betas, fitted, sign * pearson(standard, v), error)


class _Projection:
    """The least squares over centre and width alone, the rest being solved for; all in standard units."""

    def __init__(self, u: np.ndarray, v: np.ndarray, parameters: int) -> None:
        self.u, self.v = u, v
        self.basis = _basis(u, parameters)
        self.rest = self._off_basis(v)
        low, high = np.log(WIDTHS[parameters])
        ends = np.array([[u.min() - CENTRE_OUTSIDE, low], [u.max() + CENTRE_OUTSIDE, high]])
        self.middle, self.half = ends.mean(axis=0), np.ptp(ends, axis=0) / 2  # of what `_place` calls inner, log_width

    def descend(self, place: tuple[float, float], tolerance: float) -> tuple[float, tuple[float, float], bool]:
        """(half the sum of squares, (centre, width), converged) of the search from a (centre, width)."""
        centre, width = place
        inside = (np.array([centre / (1 + width), np.log(width)]) - self.middle) / self.half
        angle = np.arcsin(np.clip(inside, -0.999, 0.999))
        for share in (tolerance, ROUGH):  # a long flat valley does not end at the fine tolerance
            found = optimize.least_squares(
                lambda t: self._residual(t)[0],
                angle,
                lambda t: self._jacobian(t),
                method="lm",
                ftol=share,
                xtol=1e-10,
                gtol=1e-14,
                max_nfev=EVALUATIONS,
            )
            angle = found.x
            if found.success:
                break
        return found.cost, self._place(found.x), found.success

    def curve(self, centre: float, width: float) -> tuple[np.ndarray, float, float, float]:
        """(n,) the best curve of this centre and width, with its height, slope and offset."""
        logistic = expit((self.u - centre) / width)
        direction, length = self._direction(logistic)
        height = float(direction @ self.rest) / length if length else 0.0
        line = self.basis @ (self.basis.T @ (self.v - height * logistic))
        slope = float(self.u @ line / (self.u @ self.u)) if self.basis.shape[1] > 1 else 0.0  # u has mean zero
        return line + height * logistic, height, slope, float(line.mean())

    def _place(self, angle: np.ndarray) -> tuple[float, float]:
        """(centre, width). The sine keeps both within bounds, of which the search itself knows nothing."""
        inner, log_width = self.middle + self.half * np.sin(angle)
        width = np.exp(log_width)
        # the centre of a narrow curve is a place, that of a wide one counts in widths: so neither pulls the other
        return float(inner * (1 + width)), float(width)

    def _residual(self, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        centre, width = self._place(angle)
        logistic = expit((self.u - centre) / width)
        direction, length = self._direction(logistic)
        return self.rest - direction * (direction @ self.rest), logistic, direction, length

    def _jacobian(self, angle: np.ndarray) -> np.ndarray:
        """(n, 2). Kaufman's (1975): how the space of curves turns is left out, which vanishes with the residual."""
        centre, width = self._place(angle)
        _, logistic, direction, length = self._residual(angle)
        if not length:
            return np.zeros((len(self.u), 2))
        height = (direction @ self.rest) / length
        steep = height * logistic * (1 - logistic)
        # −height · ∂logistic/∂(inner, log width), off the space of curves
        inner = centre / (1 + width)
        turn = np.stack([steep * (1 + width) / width, steep * ((self.u - centre) / width + inner)], axis=1)
        turn = self._off_basis(turn)
        turn -= np.outer(direction, direction @ turn)
        return turn * self.half * np.cos(angle)

    def _direction(self, logistic: np.ndarray) -> tuple[np.ndarray, float]:
        """(n,) the unit vector and the length of what is left of the logistic off the basis; zeros if nothing is."""
        off = self._off_basis(logistic)
        length = float(np.sqrt(off @ off))
        if length <= FLAT * np.sqrt(len(off)):
            return np.zeros_like(off), 0.0
        off = self._off_basis(off)  # once more for the digits that the first subtraction cost
        length = float(np.sqrt(off @ off))
        return off / length, length

    def _off_basis(self, values: np.ndarray) -> np.ndarray:
        return values - self.basis @ (self.basis.T @ values)


def _grid_starts(u: np.ndarray, v: np.ndarray, parameters: int) -> list[tuple[float, float]]:
    """The (centre, width) of the highest peaks on the grid, of the squares that a logistic there explains."""
    order = np.argsort(u, kind="stable")
    chosen = order[np.linspace(0, len(u) - 1, min(len(u), GRID_VALUES)).round().astype(int)]
    u, v = u[chosen], v[chosen]
    basis = _basis(u, parameters)
    centres = np.concatenate([[u.min() - GRID_OUTSIDE], np.quantile(u, GRID_CENTRES), [u.max() + GRID_OUTSIDE]])
    curves = expit((u - centres[None, :, None]) / GRID_WIDTHS[:, None, None])  # (widths, centres, n)
    curves -= curves @ basis @ basis.T
    squares = np.einsum("wcn,wcn->wc", curves, curves)
    gain = (curves @ (v - basis @ (basis.T @ v))) ** 2 / np.maximum(squares, FLAT**2 * len(u))
    around = ndimage.maximum_filter(gain, size=3, mode="nearest")
    peaks = np.argwhere(gain == around)
    best = peaks[np.argsort(-gain[tuple(peaks.T)], kind="stable")][:STARTS]
    return [(float(centres[column]), float(GRID_WIDTHS[row])) for row, column in best]


def _basis(u: np.ndarray, parameters: int) -> np.ndarray:
    """What a curve has beside its logistic, as orthonormal columns: a constant, and with 5 parameters x."""
    return np.linalg.qr(np.stack([np.ones_like(u), u][: parameters - 3], axis=1))[0]


def _place(start: LogisticFit, x_mean: float, x_unit: float) -> tuple[float, float]:
    width = abs(start.parameters[3]) if len(start.parameters) == 4 else 1 / abs(start.parameters[1])
    return (start.parameters[2] - x_mean) / x_unit, width / x_unit


def _standard(values: np.ndarray) -> tuple[np.ndarray, float, float]:
    """The values less their mean, in standard deviations; with the mean and the deviation."""
    mean = values.mean()
    off = values - mean
    largest = np.abs(off).max()  # squares of very large or very small values leave the range of a float
    unit = largest * np.sqrt(np.mean((off / largest) ** 2))
    return off / unit, float(mean), float(unit)


def _no_fit(n: int, parameters: int, reason: str) -> LogisticFit:
    nan = float("nan")
    return LogisticFit((nan,) * parameters, np.full(n, nan), nan, nan, reason)
