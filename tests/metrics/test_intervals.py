import warnings

import numpy as np
import pytest
from scipy import stats

from rankiqa.errors import InputError
from rankiqa.metrics.intervals import STATISTICS, bootstrap, over_splits, paired_difference, resamples
from rankiqa.metrics.logistic import logistic_fit


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def scored(n=60, groups=8, seed=0):
    """Predictions, targets and group names, of groups of several sizes, in no order."""
    rng = np.random.default_rng(seed)
    group = np.array([f"photo {k}" for k in rng.integers(0, groups, n)])
    x = rng.normal(size=n)
    return x, np.tanh(x) + 0.4 * rng.normal(size=n), group


def loop_resamples(group, repeats, seed):
    """The same draws, group by group."""
    rng = np.random.default_rng(seed)
    names = sorted(set(group))
    for _ in range(repeats):
        drawn = rng.integers(0, len(names), len(names))
        yield [i for k in drawn for i in range(len(group)) if group[i] == names[k]]


def test_resamples_are_of_whole_groups():
    _, _, group = scored()
    got = [list(k) for k in resamples(group, len(group), 20, seed=4)]
    assert got == list(loop_resamples(group, 20, 4))
    assert len({len(k) for k in got}) > 1  # groups of several sizes


def test_without_groups_the_images_are_drawn():
    rng = np.random.default_rng(3)
    for k in resamples(None, 10, 5, seed=3):
        assert list(k) == list(rng.integers(0, 10, 10))
    unique = [list(k) for k in resamples(np.arange(10) + 100, 10, 5, seed=3)]
    assert unique == [list(k) for k in resamples(None, 10, 5, seed=3)]


def test_an_empty_name_is_a_group_of_its_own():
    group = ["a", "", "", "a", "", ""]
    for k in resamples(group, 6, 50, seed=0):
        assert np.sum(k == 0) == np.sum(k == 3)
    assert any(np.sum(k == 1) != np.sum(k == 2) for k in resamples(group, 6, 50, seed=0))


INDEPENDENT = {
    "srocc": lambda x, y: stats.spearmanr(x, y).statistic,
    "krocc": lambda x, y: stats.kendalltau(x, y).statistic,
    "lcc": lambda x, y: stats.pearsonr(x, y).statistic,
    "lcc_fitted": lambda x, y: logistic_fit(x, y).lcc,
}


@pytest.mark.parametrize("level", [0.95, 0.8])
def test_the_bootstrap_is_that_of_a_loop(level):
    x, y, group = scored()
    got = bootstrap(x, y, group, repeats=60, seed=5, level=level)
    draws = list(loop_resamples(group, 60, 5))
    assert list(got) == list(STATISTICS)
    for name, interval in got.items():
        values = [INDEPENDENT[name](x[k], y[k]) for k in draws]
        low, high = np.percentile(values, [50 - 50 * level, 50 + 50 * level])
        # a fit from the fit to all may end in another valley than one from many places
        tolerance = 5e-3 if name == "lcc_fitted" else 1e-12
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=tolerance)
        assert interval.reason == ""


def test_an_interval_holds_the_true_correlation_as_often_as_it_says():
    rng = np.random.default_rng(1)
    true, inside, runs = 0.6, 0, 200
    for _ in range(runs):
        x = rng.normal(size=60)
        y = true * x + np.sqrt(1 - true**2) * rng.normal(size=60)
        interval = bootstrap(x, y, repeats=150, seed=int(rng.integers(1 << 30)), level=0.9, statistics=["lcc"])["lcc"]
        inside += interval.low <= true <= interval.high
    assert 0.82 < inside / runs < 0.95  # the standard error of a share of .9 is .02


def test_images_of_one_photo_are_no_independent_witnesses():
    rng = np.random.default_rng(2)
    photo = np.repeat(np.arange(12), 10)
    x = rng.normal(size=120)
    y = x + 2 * rng.normal(size=12)[photo] + 0.1 * rng.normal(size=120)  # the model does not know the photos
    x = x + rng.normal(size=12)[photo]
    by_photo, by_image = (bootstrap(x, y, group, statistics=["srocc"])["srocc"] for group in (photo, None))
    assert by_photo.high - by_photo.low > 1.3 * (by_image.high - by_image.low)


def test_a_seed_gives_the_same_interval():
    x, y, group = scored()
    first, again, other = (bootstrap(x, y, group, repeats=50, seed=seed, statistics=["krocc"]) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("x", "y", "group", "reason"),
    [
        ([1, 2], [1, 2], None, "2 values, at least 3 are needed"),
        ([1, 1, 1], [1, 2, 3], None, "every predicted score is the same"),
        ([1, 2, np.nan], [1, 2, 3], None, "a predicted score is NaN or infinite"),
        ([1, 2, 3, 4], [1, 2, 4, 3], ["a", "b", "b", "a"], "2 groups, at least 3 are needed"),
        ([1, 2, 3, 4], [1, 2, 4, 3], ["a"] * 4, "1 group, at least 3 are needed"),
        ([], [], None, "0 values, at least 3 are needed"),
    ],
)
def test_what_has_no_interval_is_nan_with_a_reason(x, y, group, reason):
    for interval in bootstrap(x, y, group).values():
        assert interval.reason == reason
        assert np.isnan([interval.low, interval.high]).all()
    difference = paired_difference(x, x, y, group)
    assert difference.reason == reason
    assert np.isnan([difference.difference, difference.low, difference.high, difference.above_zero]).all()


def test_a_statistic_that_many_resamples_lack_has_no_interval():
    x, y = [0, 0, 0, 0, 0, 1], [1, 2, 3, 4, 5, 6]
    # a resample without the last image is constant: share (5/6)^6 = .335
    interval = bootstrap(x, y, statistics=["srocc"])["srocc"]
    missing = sum(5 not in k for k in resamples(None, 6, 1000, 0))
    assert missing == pytest.approx(335, abs=60)
    assert interval.reason == f"undefined in {missing} of 1000 resamples"
    assert np.isnan(interval.low)


def test_a_few_undefined_resamples_are_left_out():
    x, y = np.array([0, 0, 0, 0, 1, 1, 1.0]), np.array([1, 3, 2, 4, 3, 6, 5.0])
    draws = [k for k in resamples(None, 7, 400, 0) if 0 < x[k].sum() < 7]
    assert 0.9 * 400 < len(draws) < 400
    interval = bootstrap(x, y, repeats=400, statistics=["lcc"])["lcc"]
    values = [stats.pearsonr(x[k], y[k]).statistic for k in draws]
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))


def test_too_few_images_for_the_curve_leave_the_rest():
    got = bootstrap([1, 2, 3, 4], [1, 3, 2, 4], repeats=300, statistics=["lcc_fitted", "lcc"])
    assert got["lcc_fitted"].reason == "4 values, at least 5 are needed for 4 parameters"
    assert got["lcc"].reason == ""


@pytest.mark.parametrize("statistic", STATISTICS)
def test_equal_models_do_not_differ(statistic):
    x, y, group = scored()
    got = paired_difference(x, x, y, group, repeats=50, statistic=statistic)
    assert (got.difference, got.low, got.high, got.above_zero, got.reason) == (0, 0, 0, 0, "")


def test_a_difference_is_that_of_a_loop():
    x, y, group = scored()
    worse = x + 0.8 * np.random.default_rng(9).normal(size=len(x))
    got = paired_difference(x, worse, y, group, repeats=80, seed=7)
    rho = INDEPENDENT["srocc"]
    values = np.array([rho(x[k], y[k]) - rho(worse[k], y[k]) for k in loop_resamples(group, 80, 7)])
    assert got.difference == pytest.approx(rho(x, y) - rho(worse, y))
    assert (got.low, got.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))
    assert got.above_zero == np.mean(values > 0)
    turned = paired_difference(worse, x, y, group, repeats=80, seed=7)
    assert (turned.difference, turned.low, turned.high) == pytest.approx((-got.difference, -got.high, -got.low))


def test_a_pair_on_the_same_images_tells_more_than_two_intervals():
    x, y, _ = scored(200)
    near = x + 0.1 * np.random.default_rng(9).normal(size=200)
    pair = paired_difference(x, near, y)
    alone = bootstrap(x, y, statistics=["srocc"])["srocc"]
    assert pair.high - pair.low < 0.5 * (alone.high - alone.low)


def test_over_splits():
    got = over_splits([0.9, 0.8, float("nan"), 0.4])
    assert got == {"mean": pytest.approx(0.7), "median": 0.8, "std": pytest.approx(np.sqrt(0.07)), "n": 3, "nan": 1}
    one = over_splits([0.9])
    assert (one["mean"], one["median"], one["n"], one["nan"]) == (0.9, 0.9, 1, 0)
    assert np.isnan(one["std"])
    none = over_splits([float("nan")] * 2)
    assert (none["n"], none["nan"]) == (0, 2)
    assert np.isnan([none["mean"], none["median"], none["std"]]).all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"statistics": ["rho"]}, "no statistic 'rho'; known are srocc, krocc, lcc, lcc_fitted"),
        ({"repeats": 0}, "repeats must be 1 or more, not 0"),
        ({"level": 95}, "level must lie between 0 and 1, such as 0.95, not 95"),
        ({"group": ["a", "b"]}, r"group must be \(60,\), one name for each image, not \(2,\)"),
        ({"target": [1, 2, 3]}, "one length"),
    ],
)
def test_mistakes_are_named(changed, message):
    x, y, group = scored()
    with pytest.raises(InputError, match=message):
        bootstrap(**{"prediction": x, "target": y, "group": group, **changed})
