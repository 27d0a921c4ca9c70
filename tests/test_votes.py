"""Votes: shares, mean and spread against NumPy's, and the most even distribution against a solver."""

import numpy as np
import pytest
from scipy.optimize import minimize

from rankiqa.errors import InputError
from rankiqa.votes import SCALE, maximum_entropy, mean_of, normalise, std_of


def test_mean_and_standard_deviation_are_those_of_the_single_votes():
    counts = np.random.default_rng(0).integers(0, 40, (20, 10))
    shares = normalise(counts)
    assert shares.sum(1) == pytest.approx(np.ones(20))
    for row, mean, std in zip(counts, mean_of(shares), std_of(shares), strict=True):
        votes = np.repeat(np.arange(1, 11), row)
        assert (mean, std) == pytest.approx((votes.mean(), votes.std()))


def test_one_vote_has_no_spread_and_two_ends_the_most():
    ends = np.zeros((2, 10))
    ends[0, 3] = 7
    ends[1, [0, 9]] = 1
    assert std_of(normalise(ends)) == pytest.approx([0, 4.5], abs=1e-7)
    assert mean_of(normalise(ends)) == pytest.approx([4, 5.5])


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (np.ones((3, 9)), "votes: 9 columns, but votes from 1 to 10 need 10"),
        (np.ones(10), r"votes: shape \(10,\), but"),
        (np.array([[1.0] * 10, [0.0] * 10]), "votes, row 2: they sum to zero"),
        (np.zeros((1, 10)), "votes: they sum to zero"),
        (np.array([[-1.0] + [1.0] * 9]), "votes: a count is negative or not finite"),
        (np.array([[1.0] * 10, [np.nan] + [1.0] * 9]), "row 2: a count is negative or not finite"),
    ],
)
def test_votes_that_are_none_are_refused(counts, message):
    with pytest.raises(InputError, match=message):
        normalise(counts)


@pytest.mark.parametrize(("mean", "std"), [(5.5, 1.5), (2.0, 1.0), (9.3, 0.8), (5.5, 3.5), (6.99, 0.4)])
def test_the_most_even_votes_have_the_moments_and_the_largest_entropy(mean, std):
    shares = maximum_entropy(np.array([mean]), std)[0]
    assert (shares > 0).all()
    assert (mean_of(shares[None])[0], std_of(shares[None])[0]) == pytest.approx((mean, std), abs=1e-6)
    # An independent solver, on the entropy itself.
    conditions = [
        {"type": "eq", "fun": lambda p: p.sum() - 1},
        {"type": "eq", "fun": lambda p: p @ SCALE - mean},
        {"type": "eq", "fun": lambda p: p @ SCALE**2 - mean**2 - std**2},
    ]
    found = minimize(
        lambda p: np.sum(p * np.log(p + 1e-12)),
        np.full(10, 0.1),
        bounds=[(0, 1)] * 10,
        constraints=conditions,
        options={"maxiter": 500, "ftol": 1e-12},
    )
    assert shares == pytest.approx(found.x, abs=2e-3)


def test_without_a_spread_the_votes_are_a_geometric_row():
    shares = maximum_entropy(np.array([1.0, 3.0, 5.5, 8.0, 10.0]))
    ratio = shares[:, 1:] / shares[:, :-1]
    assert ratio == pytest.approx(np.repeat(ratio[:, :1], 9, axis=1), rel=1e-5)
    assert shares[2] == pytest.approx(np.full(10, 0.1))
    # The ends of the scale have one distribution only, and are moved in by a twentieth of a vote.
    assert mean_of(shares) == pytest.approx([1.05, 3, 5.5, 8, 9.95], abs=1e-6)
    assert shares[0] == pytest.approx(shares[4][::-1])


def test_a_spread_that_the_mean_does_not_allow_is_moved_to_one_that_it_does():
    shares = maximum_entropy(np.array([9.9, 5.5]), np.array([4.0, 0.01]))
    assert mean_of(shares) == pytest.approx([9.9, 5.5], abs=1e-6)
    assert std_of(shares)[0] < np.sqrt(8.9 * 0.1)
    assert std_of(shares)[1] > 0.5  # votes of 5 and 6 alone


@pytest.mark.parametrize(("mean", "std"), [([0.5], None), ([np.nan], None), ([5.0], 0.0), ([11.0], 1.0)])
def test_means_and_spreads_that_no_votes_have_are_refused(mean, std):
    with pytest.raises(InputError):
        maximum_entropy(np.array(mean), std)
