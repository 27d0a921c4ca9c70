import warnings

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import expit

from rankiqa.errors import InputError
from rankiqa.metrics.logistic import logistic_fit


def curve_4(x, b1, b2, b3, b4):
    return (b1 - b2) * expit((x - b3) / abs(b4)) + b2


def curve_5(x, b1, b2, b3, b4, b5):
    return b1 * (0.5 - expit(-b2 * (x - b3))) + b4 * x + b5


CURVES = {4: curve_4, 5: curve_5}


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("true", [(80, 20, 0.3, 0.4), (10, 90, -1, 1.5), (7, 2, 0.0, 0.05)])
@pytest.mark.parametrize(("scale", "shift"), [(1, 0), (-250, 3000), (1e-6, 5e-6)])
def test_a_curve_of_four_parameters_is_recovered(true, scale, shift):
    x = np.random.default_rng(0).normal(size=150)
    y = curve_4(x, *true)
    fit = logistic_fit(scale * x + shift, y)
    assert fit.rmse == pytest.approx(0, abs=1e-6)
    assert abs(fit.lcc) == pytest.approx(1, abs=1e-9)
    b1, b2, b3, b4 = true
    if scale < 0:
        b1, b2 = b2, b1
    np.testing.assert_allclose(fit.parameters, [b1, b2, scale * b3 + shift, abs(scale) * b4], rtol=1e-5, atol=1e-9)


def test_a_curve_of_five_parameters_is_recovered():
    x = np.random.default_rng(1).uniform(-3, 3, 200)
    true = 30, 2.5, 0.5, -4, 50
    fit = logistic_fit(x, curve_5(x, *true), 5)
    assert fit.rmse == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(fit.parameters, true, rtol=1e-5)


def noisy(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=120)
    true = (90, 15, 0.4, 0.5) if seed % 2 else (1, 4, -0.5, 0.8)
    return x, curve_4(x, *true) + 0.15 * abs(true[0] - true[1]) * rng.normal(size=120)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("parameters", [4, 5])
def test_no_fit_of_scipy_from_many_starts_is_better(seed, parameters):
    x, y = noisy(seed)
    fit = logistic_fit(x, y, parameters)
    best = np.inf
    for centre in (-1, 0, 1):
        for width in (0.3, 1.0):
            start = (
                [y.max(), y.min(), centre, width] if parameters == 4 else [np.ptp(y), 1 / width, centre, 0, y.mean()]
            )
            for turn in (1, -1):
                start[0], start[1] = (start[0], start[1]) if turn == 1 else (start[1], start[0])
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    try:
                        found, _ = optimize.curve_fit(CURVES[parameters], x, y, start, maxfev=4000)
                    except RuntimeError:  # did not converge
                        continue
                width_found = abs(found[3]) if parameters == 4 else 1 / abs(found[1])
                if width_found > 0.01 * x.std():  # narrower are steps between two images, which this fit has no use for
                    best = min(best, float(np.mean((CURVES[parameters](x, *found) - y) ** 2)))
    assert np.isfinite(best)
    assert fit.rmse**2 <= best + 1e-9 * np.var(y)
    # and its numbers are those of its parameters
    curve = CURVES[parameters](x, *fit.parameters)
    np.testing.assert_allclose(fit(x), curve, atol=1e-9 * np.ptp(y) * max(1, np.abs(fit.parameters).max()))
    assert fit.rmse == pytest.approx(np.sqrt(np.mean((curve - y) ** 2)), rel=1e-6)
    assert abs(fit.lcc) == pytest.approx(stats.pearsonr(curve, y).statistic, abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_five_parameters_are_never_worse_than_the_line(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=30), rng.normal(size=30)
    line = np.polyval(np.polyfit(x, y, 1), x)
    assert logistic_fit(x, y, 5).rmse <= np.sqrt(np.mean((line - y) ** 2)) + 1e-12


@pytest.mark.parametrize("parameters", [4, 5])
def test_a_line_is_fitted(parameters):
    x = np.linspace(-2, 5, 40)
    fit = logistic_fit(x, 3 * x - 1, parameters)
    assert fit.rmse == pytest.approx(0, abs=1e-5)
    assert fit.lcc == pytest.approx(1)
    np.testing.assert_allclose(fit([0.0, 1.0]), [-1, 2], atol=1e-4)


@pytest.mark.parametrize("parameters", [4, 5])
def test_a_model_that_is_upside_down_shows_a_negative_number(parameters):
    x, y = noisy(1)
    up, down = logistic_fit(x, y, parameters), logistic_fit(-x, y, parameters)
    assert up.lcc > 0.8
    assert down.lcc == pytest.approx(-up.lcc, abs=1e-6)
    assert down.rmse == pytest.approx(up.rmse)


@pytest.mark.parametrize("parameters", [4, 5])
@pytest.mark.parametrize(("scale", "shift"), [(1e4, -3e5), (-0.002, 1), (1e200, 0), (1e-200, 0)])
def test_a_linear_change_of_the_prediction_changes_nothing(parameters, scale, shift):
    x, y = noisy(3)
    fit, changed = logistic_fit(x, y, parameters), logistic_fit(scale * x + shift, y, parameters)
    np.testing.assert_allclose(changed.fitted, fit.fitted, atol=1e-6 * np.ptp(y))
    assert changed.lcc == pytest.approx(np.sign(scale) * fit.lcc, abs=1e-6)


def test_a_linear_change_of_the_target_carries_over():
    x, y = noisy(3)
    fit, changed = logistic_fit(x, y), logistic_fit(x, -1e6 * y + 5)
    np.testing.assert_allclose(changed.fitted, -1e6 * fit.fitted + 5, rtol=1e-6)
    assert changed.rmse == pytest.approx(1e6 * fit.rmse)
    assert changed.lcc == pytest.approx(-fit.lcc)


def test_two_levels_make_a_step():
    x = np.array([0.0, 0.1, 0.2, 0.3, 5.0, 5.1, 5.2, 5.3])
    fit = logistic_fit(x, x > 1)
    assert fit.rmse == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(fit([-1e9, 1e9]), [0, 1], atol=1e-6)


def test_one_outlier_does_not_hide_the_curve():
    x = np.append(np.random.default_rng(2).normal(size=200), 300.0)  # 20 standard deviations, once it is in
    y = curve_4(x, 5, 1, 0, 0.5)
    assert logistic_fit(x, y).lcc > 0.999


@pytest.mark.parametrize("parameters", [4, 5])
def test_a_start_nearby_finds_the_same_curve(parameters):
    x, y = noisy(5)
    fit = logistic_fit(x, y, parameters)
    again = logistic_fit(7 * x + 1, y, parameters, start=logistic_fit(7 * x[:100] + 1, y[:100], parameters))
    assert again.rmse == pytest.approx(fit.rmse, rel=1e-5)


def test_a_long_flat_valley_ends_at_six_digits():
    # the best logistic of a cubic curve lies near the straight line, where many are as good
    rng = np.random.default_rng(2)
    x = rng.normal(size=120)
    y = x**3 + 0.1 * rng.normal(size=240)[120:] * np.std(x**3)
    fit = logistic_fit(x, y)
    line = np.polyval(np.polyfit(x, y, 1), x)
    assert fit.reason == ""
    assert fit.rmse < np.sqrt(np.mean((line - y) ** 2))


def test_the_search_starts_from_several_places(monkeypatch):
    x, y = noisy(6)
    several = logistic_fit(x, y, 5)
    monkeypatch.setattr("rankiqa.metrics.logistic.STARTS", 1)
    assert several.rmse < logistic_fit(x, y, 5).rmse - 1e-4


def test_a_fit_without_numbers_is_no_start():
    x, y = noisy(5)
    nothing = logistic_fit(x[:3], y[:3])
    assert logistic_fit(x, y, start=nothing).lcc == logistic_fit(x, y).lcc


@pytest.mark.parametrize(
    ("x", "y", "parameters", "reason"),
    [
        ([1, 2], [1, 2], 4, "2 values, at least 3 are needed"),
        ([1, 2, 3, 5], [1, 2, 4, 3], 4, "4 values, at least 5 are needed for 4 parameters"),
        ([1, 2, 3, 5, 6], [1, 2, 4, 3, 7], 5, "5 values, at least 6 are needed for 5 parameters"),
        ([2] * 7, range(7), 4, "every predicted score is the same"),
        (range(7), [2] * 7, 4, "every target value is the same"),
        ([np.inf, *range(6)], range(7), 5, "a predicted score is NaN or infinite"),
        (range(7), [np.nan, *range(6)], 5, "a target value is NaN or infinite"),
    ],
)
def test_what_cannot_be_fitted_is_nan_with_a_reason(x, y, parameters, reason):
    fit = logistic_fit(list(x), list(y), parameters)
    assert fit.reason == reason
    assert np.isnan([*fit.parameters, fit.lcc, fit.rmse]).all()
    assert len(fit.parameters) == parameters
    assert fit.fitted.shape == (len(list(x)),)
    assert np.isnan(fit.fitted).all()
    assert np.isnan(fit([1.0, 2.0])).all()


def test_a_flat_curve_has_no_correlation():
    x = [0, 0, 0, 0, 1, 1, 1, 1]
    fit = logistic_fit(x, [1, 2, 3, 4, 4, 3, 2, 1])
    assert fit.reason == "the fitted curve is flat"
    assert np.isnan(fit.lcc)
    np.testing.assert_allclose(fit.fitted, 2.5)
    assert fit.rmse == pytest.approx(np.sqrt(1.25))


def test_a_search_that_does_not_end_is_nan_with_a_reason(monkeypatch):
    monkeypatch.setattr("rankiqa.metrics.logistic.EVALUATIONS", 2)
    fit = logistic_fit(*noisy(1))
    assert fit.reason == "the fit did not converge in 2 evaluations of the curve"
    assert np.isnan([*fit.parameters, fit.lcc, fit.rmse, *fit.fitted]).all()


def test_mistakes_are_named():
    with pytest.raises(InputError, match="4 or 5 parameters, not 3"):
        logistic_fit(range(9), range(9), 3)
    with pytest.raises(InputError, match="one length"):
        logistic_fit(range(9), range(8))
