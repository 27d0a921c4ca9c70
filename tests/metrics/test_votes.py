import warnings

import numpy as np
import pytest
from scipy import stats

from rankiqa.errors import InputError
from rankiqa.metrics.votes import NUMBERS, vote_numbers

SCALE = np.arange(1, 11)


def sample(n=40, seed=0):
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(200, rng.dirichlet(np.ones(10)), n) + rng.integers(0, 30, (n, 10))
    return rng.dirichlet(np.full(10, 3.0), n), counts


def test_the_numbers_are_those_of_scipy():
    predicted, counts = sample()
    means = [[np.average(SCALE, weights=row) for row in rows] for rows in (predicted, counts)]
    # each vote by itself, as a list of numbers
    stds = [
        [np.sqrt(np.average((SCALE - mean) ** 2, weights=row)) for mean, row in zip(means[0], predicted, strict=True)],
        [np.std(np.repeat(SCALE, row)) for row in counts],
    ]
    distances = [
        stats.wasserstein_distance(SCALE, SCALE, p, q) / 10 for p, q in zip(predicted, counts, strict=True)
    ]  # fmt: skip
    got = vote_numbers(predicted, counts)
    assert got["n"] == 40
    assert got["lcc"] == pytest.approx(stats.pearsonr(*means).statistic, abs=1e-7)
    assert got["srocc"] == pytest.approx(stats.spearmanr(*means).statistic, abs=1e-9)
    assert got["lcc_std"] == pytest.approx(stats.pearsonr(*stds).statistic, abs=1e-7)
    assert got["srocc_std"] == pytest.approx(stats.spearmanr(*stds).statistic, abs=1e-9)
    assert got["emd"] == pytest.approx(np.mean(distances), abs=1e-12)
    assert got["accuracy"] == np.mean([(a > 5) == (b > 5) for a, b in zip(*means, strict=True)])
    assert 0 < got["accuracy"] < 1
    assert got["reason"] == got["reason_std"] == ""
    shares = vote_numbers(predicted, counts / counts.sum(1, keepdims=True))
    assert shares == pytest.approx({**got, "reason": "", "reason_std": ""})


def one_hot(*votes):
    return np.eye(10)[np.array(votes) - 1]


def test_small_cases_by_hand():
    # on the other side of 5, and on 5, which is not above it
    assert vote_numbers(one_hot(6, 3, 5), one_hot(7, 6, 4))["accuracy"] == pytest.approx(2 / 3)
    # three of ten bins of the cumulated votes differ, by 1
    assert vote_numbers(one_hot(2), one_hot(5))["emd"] == pytest.approx(0.3)
    got = vote_numbers(one_hot(1, 2, 3, 9), one_hot(2, 4, 6, 5))
    assert got["srocc"] == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert got["reason"] == ""
    assert got["reason_std"] == "every predicted score is the same"
    assert np.isnan([got["srocc_std"], got["lcc_std"]]).all()


def test_roundings_break_no_ties_and_cross_no_boundary():
    # as many votes above 5 as below: the mean is 5, but that of the shares is 5 and a rounding
    half = np.random.default_rng(0).integers(1, 60, (30, 4))
    counts = np.hstack([half, half[:, :1], half[:, ::-1], np.zeros((30, 1))])
    shares = counts / counts.sum(1, keepdims=True)
    assert (shares @ SCALE > 5).any()  # else the test says nothing
    assert vote_numbers(np.tile(one_hot(4), (30, 1)), counts)["accuracy"] == 1
    assert vote_numbers(sample(30)[0], counts)["reason"] == "every target value is the same"


@pytest.mark.parametrize(
    ("n", "reason"), [(0, "0 values, at least 3 are needed"), (2, "2 values, at least 3 are needed")]
)
def test_too_few_images_have_no_correlation(n, reason):
    predicted, counts = sample()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = vote_numbers(predicted[:n], counts[:n])
    assert got["reason"] == got["reason_std"] == reason
    assert np.isnan([got[key] for key in ("lcc", "srocc", "lcc_std", "srocc_std")]).all()
    assert np.isnan([got["accuracy"], got["emd"]]).all() == (n == 0)


def test_a_network_that_says_nan_has_no_number():
    predicted, counts = sample()
    predicted[7, 2] = np.nan
    got = vote_numbers(predicted, counts)
    assert got["reason"] == "a predicted score is NaN or infinite"
    assert np.isnan([got[key] for key in NUMBERS]).all()


def test_what_is_no_vote_is_refused():
    predicted, counts = sample()
    with pytest.raises(InputError, match="9 columns"):
        vote_numbers(predicted, counts[:, :9])
    with pytest.raises(InputError, match="must both be"):
        vote_numbers(predicted[:5], counts)
    counts[3] = 0
    with pytest.raises(InputError, match="row 4"):
        vote_numbers(predicted, counts)
