import warnings

import numpy as np
import pytest
from scipy import stats

from rankiqa.errors import InputError
from rankiqa.metrics import correlation


def samples():
    rng = np.random.default_rng(3)
    for n in (3, 4, 17, 200):
        yield rng.normal(size=n), rng.normal(size=n)
        yield rng.integers(0, 4, n) + np.arange(n) % 2, rng.integers(0, 3, n) + np.arange(n) % 3  # many ties
    yield rng.normal(size=50).astype(np.float32), -np.repeat(np.arange(5), 10)


@pytest.mark.parametrize(("x", "y"), list(samples()))
def test_correlations_are_those_of_scipy(x, y):
    got = correlation.agreement(x, y)
    assert got["n"] == len(x)
    assert got["reason"] == ""
    assert got["srocc"] == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    assert got["lcc"] == pytest.approx(stats.pearsonr(x.astype(float), y).statistic, abs=1e-12)
    assert got["krocc"] == pytest.approx(tau_b(x, y), abs=1e-12)
    line = np.polyfit(x.astype(float), y, 1)
    assert got["rmse"] == pytest.approx(np.sqrt(np.mean((np.polyval(line, x) - y) ** 2)), abs=1e-9)


def tau_b(x, y):
    concordant = ties_x = ties_y = pairs = 0
    for i in range(len(x)):
        for j in range(i):
            product = np.sign(x[i] - x[j]) * np.sign(y[i] - y[j])
            concordant += product
            ties_x += x[i] == x[j]
            ties_y += y[i] == y[j]
            pairs += 1
    return concordant / np.sqrt((pairs - ties_x) * (pairs - ties_y))


def test_small_cases_by_hand():
    assert correlation.srocc([1, 2, 3, 4], [1, 4, 9, 8]) == pytest.approx(1 - 6 * 2 / (4 * 15))
    # ranks 1.5 1.5 3 against 1 2 3: covariance 1.5, variances 1.5 and 2
    assert correlation.srocc([5, 5, 7], [1, 2, 3]) == pytest.approx(1.5 / np.sqrt(1.5 * 2))
    assert correlation.krocc([1, 2, 3], [1, 3, 2]) == pytest.approx(1 / 3)
    assert correlation.lcc([0, 1, 2], [5, 5, 8]) == pytest.approx(3 / np.sqrt(2 * 6))
    assert correlation.rmse([1, 2], [4, 6]) == pytest.approx(np.sqrt((9 + 16) / 2))


def test_the_sign_is_kept():
    truth = np.arange(10.0)
    for name in ("srocc", "lcc", "krocc"):
        assert getattr(correlation, name)(-truth, truth) == pytest.approx(-1)
    assert correlation.agreement(-7 * truth + 3, truth)["rmse"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        ([0.1] * 7, range(7), "every predicted score is the same"),
        (range(7), [0.1] * 7, "every target value is the same"),
        ([1, 2], [1, 2], "2 values, at least 3 are needed"),
        ([1], [1], "1 value, at least 3 are needed"),
        ([], [], "0 values, at least 3 are needed"),
        ([1, np.nan, 2], [1, 2, 3], "a predicted score is NaN or infinite"),
        ([1, 2, 3], [1, np.inf, 3], "a target value is NaN or infinite"),
    ],
)
def test_what_cannot_be_computed_is_nan_with_a_reason(x, y, reason):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = correlation.agreement(list(x), list(y))
    assert got.pop("reason") == reason
    assert got.pop("n") == len(list(x))
    assert all(np.isnan(value) for value in got.values())


def test_values_far_from_one_lose_nothing():
    x, y = np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 4.0])
    for scale in (1e-200, 1e200):
        assert correlation.lcc(x * scale, y) == pytest.approx(correlation.lcc(x, y), abs=1e-12)
        assert correlation.linear_fit(x * scale, y) == pytest.approx(correlation.linear_fit(x, y), abs=1e-12)


def test_unequal_lengths_are_refused():
    with pytest.raises(InputError, match="of one length"):
        correlation.srocc([1, 2, 3], [1, 2])
