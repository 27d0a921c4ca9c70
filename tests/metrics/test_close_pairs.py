import warnings
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from rankiqa.errors import InputError
from rankiqa.metrics.close_pairs import check_edges, close_pairs, close_pairs_difference, default_edges

EDGES = (0.225, 0.45, 0.9, 1.8)


def double_loop(scores, truth, edges):
    """(ordered, pairs) of each bin; truth and edges in exact numbers."""
    found = [[0, 0] for _ in range(len(edges) + 1)]
    for i in range(len(truth)):
        for j in range(len(truth)):
            difference = truth[i] - truth[j]
            if difference > 0:
                row = found[sum(difference > edge for edge in edges)]
                row[0] += bool(scores[i] > scores[j])
                row[1] += 1
    return [tuple(row) for row in found]


@pytest.mark.parametrize("seed", range(4))
def test_pairs_are_those_of_the_double_loop(seed):
    rng = np.random.default_rng(seed)
    n = (2, 37, 64, 90)[seed]
    # steps of 3/200: many pairs lie on an edge, or have the same truth, and no step is a float
    truth = [Fraction(int(k), 200) for k in 3 * rng.integers(0, 200, n)]
    scores = np.round([float(t) for t in truth] + rng.normal(0, 1, n), 1)  # rounded: ties
    expected = double_loop(scores, truth, [Fraction(e).limit_denominator(1000) for e in EDGES])
    found = close_pairs(scores, [float(t) for t in truth], rng.integers(0, 9, n), edges=EDGES)
    assert [row["pairs"] for row in found] == [pairs for _, pairs in expected]
    for row, (ordered, pairs) in zip(found, expected, strict=True):
        assert row["share"] == pytest.approx(ordered / pairs, abs=1e-12) if pairs else np.isnan(row["share"])
    assert [(row["from"], row["to"]) for row in found] == [
        (0, 0.225), (0.225, 0.45), (0.45, 0.9), (0.9, 1.8), (1.8, None)
    ]  # fmt: skip


def test_a_perfect_a_reversed_and_a_constant_scorer():
    truth = np.random.default_rng(0).normal(5, 1, 50)
    for scores, share in ((truth, 1), (-truth, 0), (0 * truth, 0)):
        for row in close_pairs(scores, truth, edges=EDGES):
            assert row["share"] == share
            assert row["reason"] == "the groups do not differ"
    # the direction of the human scores is no matter once both are turned
    noisy = truth + np.sin(100 * truth)
    upright, turned = close_pairs(noisy, truth, edges=EDGES), close_pairs(noisy - 20, truth - 20, edges=EDGES)
    assert [row["share"] for row in upright] == [row["share"] for row in turned]


def sample(seed=1, n=150, groups=40):
    """Groups of several sizes that share a part of their error, and two models that share another."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, groups, n)
    truth = rng.normal(5.4, 0.8, groups)[group] + rng.normal(0, 0.5, n)
    common = truth + rng.normal(0, 0.6, groups)[group]
    return common + rng.normal(0, 0.5, n), common + rng.normal(0, 0.5, n), truth, group


def weighted_shares(models, truth, group, weights):
    """(repeats, models, bins) shares by the double sum over pairs, each image with the weight of its group."""
    difference = truth[:, None] - truth[None, :]
    which = np.searchsorted(EDGES, difference)
    weights = weights[:, group].astype(float)
    shares = np.empty((len(weights), len(models), len(EDGES) + 1))
    for k in range(len(EDGES) + 1):
        pairs = (difference > 0) & (which == k)
        total = np.einsum("ri,ri->r", weights @ pairs, weights)
        for m, scores in enumerate(models):
            ordered = pairs & (scores[:, None] > scores[None, :])
            shares[:, m, k] = np.einsum("ri,ri->r", weights @ ordered, weights) / total
    return shares


def half_widths(first, second, truth, group):
    """(3, bins): of the two models, then of their difference."""
    rows = [close_pairs(scores, truth, group, edges=EDGES) for scores in (first, second)]
    paired = close_pairs_difference(first, second, truth, group, edges=EDGES)
    for found, key in ((rows[0], "share"), (rows[1], "share"), (paired, "difference")):
        assert all(np.isclose(row["high"] - row[key], row[key] - row["low"]) or row["high"] == 1 for row in found)
    return np.array(
        [[row["share"] - row["low"] for row in found] for found in rows]
        + [[row["difference"] - row["low"] for row in paired]]
    )


def test_intervals_are_those_of_small_changes_of_each_group_s_weight():
    first, second, truth, group = sample()
    groups, step = group.max() + 1, 1e-4
    up, down = (weighted_shares([first, second], truth, group, 1 + s * np.eye(groups)) for s in (step, -step))
    influence = (up - down) / (2 * step)
    influence = np.concatenate([influence, influence[:, :1] - influence[:, 1:]], axis=1)
    expected = stats.norm.ppf(0.975) * np.sqrt((influence**2).sum(0))
    assert half_widths(first, second, truth, group) == pytest.approx(expected, rel=1e-5)


def test_intervals_are_near_those_of_a_bootstrap_over_groups():
    first, second, truth, group = sample(n=400, groups=120)
    weights = np.random.default_rng(0).multinomial(120, [1 / 120] * 120, 1000)
    shares = weighted_shares([first, second], truth, group, weights)
    shares = np.concatenate([shares, shares[:, :1] - shares[:, 1:]], axis=1)
    # pairs of two groups that were both drawn often make the bootstrap a little wider, most so in the closest bin
    ratio = half_widths(first, second, truth, group) / (1.96 * shares.std(0))
    assert ratio[:, 1:] == pytest.approx(1, abs=0.12)
    assert ratio[:, 0] == pytest.approx(0.9, abs=0.12)


def test_groups_widen_the_interval_and_pairing_narrows_that_of_the_difference():
    first, second, truth, group = sample()
    alone, grouped = (close_pairs(first, truth, which, edges=[1])[0] for which in (None, group))
    assert grouped["share"] == alone["share"]
    assert grouped["high"] - grouped["low"] > 1.1 * (alone["high"] - alone["low"])
    (one, *_), (two, *_) = (close_pairs(scores, truth, group, edges=[1]) for scores in (first, second))
    paired = close_pairs_difference(first, second, truth, group, edges=[1])[0]
    assert paired["difference"] == pytest.approx(one["share"] - two["share"])
    apart = np.hypot(one["high"] - one["low"], two["high"] - two["low"])
    assert paired["high"] - paired["low"] < 0.8 * apart


@pytest.mark.parametrize(
    ("scores", "truth", "group", "reason"),
    [
        ([1, 2, 3], [1, 2, 3], ["a"] * 3, "1 group, at least 2 are needed"),
        ([1, 2, 3], [4, 4, 4], None, "no pair in this bin"),
        ([], [], None, "no pair in this bin"),
        ([1, np.nan, 3], [1, 2, 3], None, "a predicted score is NaN or infinite"),
        ([1, 2, 3], [1, np.inf, 3], None, "a target value is NaN or infinite"),
    ],
)
def test_what_cannot_be_computed_is_nan_with_a_reason(scores, truth, group, reason):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = close_pairs(scores, truth, group, edges=[5])
        difference = close_pairs_difference(scores, scores, truth, group, edges=[5])
    for row in (rows[0], difference[0]):
        assert row["reason"] == reason
        assert np.isnan([row["low"], row["high"]]).all()
    assert np.isnan(rows[0]["share"]) == (group is None)  # of one group alone there is a share


def test_a_full_sized_set_is_counted():
    rng = np.random.default_rng(0)
    n = 20_000
    truth = rng.normal(5.4, 0.75, n)
    scores = truth + rng.normal(0, 0.6, n)
    rows = close_pairs(scores, truth, edges=default_edges((1, 10)))
    assert sum(row["pairs"] for row in rows) == n * (n - 1) // 2
    # without ties Kendall's tau is the share in order less the share out of order
    ordered = sum(row["share"] * row["pairs"] for row in rows) / (n * (n - 1) / 2)
    assert 2 * ordered - 1 == pytest.approx(stats.kendalltau(scores, truth).statistic, abs=1e-9)
    # a difference of truth of normal images is normal, with √2 times the deviation
    below = 2 * stats.norm.cdf(0.225, scale=0.75 * 2**0.5) - 1
    assert rows[0]["pairs"] / (n * (n - 1) / 2) == pytest.approx(below, abs=0.003)


def test_default_edges_are_shares_of_the_scale():
    assert default_edges((1, 10)) == EDGES
    assert default_edges((0, 100)) == (2.5, 5, 10, 20)
    assert default_edges((0, 9)) == EDGES


@pytest.mark.parametrize("edges", [[], [0, 1], [-1], [1, 1], [2, 1], [1, np.nan], [1, np.inf]])
def test_edges_that_do_not_rise_are_refused(edges):
    with pytest.raises(InputError, match="x must be positive and rise"):
        check_edges(edges, "x")


def test_unequal_lengths_are_refused():
    with pytest.raises(InputError, match="of one length"):
        close_pairs([1, 2, 3], [1, 2], edges=[1])
    with pytest.raises(InputError, match="of one length"):
        close_pairs_difference([1, 2], [1, 2, 3], [1, 2], edges=[1])
