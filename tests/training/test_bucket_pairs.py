"""Buckets of scores, and the pairs that are drawn from them."""

import numpy as np
import pytest

from rankiqa.errors import InputError
from rankiqa.training.bucket_pairs import BucketPairs, make_buckets


def test_buckets_are_as_large_as_each_other_and_follow_the_scores():
    scores = np.random.default_rng(0).normal(5.5, 0.7, 1003)
    bucket = make_buckets(scores, 5)
    counts = np.bincount(bucket)
    assert len(counts) == 5
    assert counts.max() - counts.min() <= 1
    for lower in range(4):
        assert scores[bucket == lower].max() < scores[bucket == lower + 1].min()


def test_equal_scores_share_a_bucket_and_few_labels_are_the_buckets():
    scores = np.array([3, 3, 3, 3, 3, 3, 1, 1, 2, 2, 9, 9, 8, 8, 7, 7.0])
    bucket = make_buckets(scores, 3)
    assert all(len(set(bucket[scores == value])) == 1 for value in set(scores))
    assert len(set(bucket)) == 3
    assert make_buckets(np.array([4, 0, 4, 0, 2, 2.0]), 5).tolist() == [2, 0, 2, 0, 1, 1]


def test_given_edges_are_taken_as_they_are():
    scores = np.array([4.9, 4.0, 5.0, 5.9, 6.0, 7.0, 9.0])
    assert make_buckets(scores, edges=[5, 6]).tolist() == [0, 0, 1, 1, 2, 2, 2]
    # An edge that no score reaches makes no bucket.
    assert make_buckets(scores, edges=[1, 5, 6]).tolist() == [0, 0, 1, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("scores", "options", "message"),
    [
        ([1, 2, 3, 4.5], {"buckets": 4}, r"bucket 1 of 4 has one image \(score 1\) and can make no pair"),
        ([1, 1, 2, 2, 9], {"edges": [1.5, 5]}, r"bucket 3 of 3 has one image \(score 9\)"),
        ([5, 5, 5], {}, "all 3 scores .* are in one bucket"),
        ([1, 2, 3, 4], {"edges": [7]}, "all 4 scores .* are in one bucket"),
    ],
)
def test_buckets_that_make_no_pair_are_refused(scores, options, message):
    with pytest.raises(InputError, match=message):
        make_buckets(np.array(scores, dtype=float), **options)


@pytest.fixture
def pairs():
    return BucketPairs(np.array([0, 1, 2, 1, 0, 2, 2, 1, 2, 0, 1, 2, 2]), pairs=8, seed=3)


def test_every_image_is_once_the_first_of_a_pair_of_each_kind(pairs):
    bucket = pairs.bucket
    for epoch in range(20):
        first, second, same = pairs.epoch(epoch).T
        assert (first != second).all()
        assert ((bucket[first] == bucket[second]) == same.astype(bool)).all()
        assert sorted(first[same == 1]) == sorted(first[same == 0]) == list(range(13))


def test_partners_are_drawn_from_all_buckets_and_all_images(pairs):
    met = {(a, b) for epoch in range(300) for a, b, _ in pairs.epoch(epoch)}
    assert met == {(a, b) for a in range(13) for b in range(13) if a != b}
    # Buckets of 3, 4 and 6: of image 0 both others come equally often.
    other = [pairs.bucket[b] for epoch in range(400) for a, b, same in pairs.epoch(epoch) if a == 0 and not same]
    assert np.mean(np.array(other) == 1) == pytest.approx(0.5, abs=0.1)


def test_batches_hold_each_image_once_and_the_pairs_of_the_epochs_in_their_order(pairs):
    assert [pairs.steps(epochs) for epochs in (1, 2, 4)] == [4, 7, 13]  # 26 pairs an epoch, 8 a batch
    found = []
    for step in range(13):
        rows, first, second, same = pairs.batch(step)
        assert len(same) == 8  # the last of an epoch is filled from the next
        assert len(set(rows)) == len(rows) <= 16
        assert set(first) | set(second) == set(range(len(rows)))
        found += zip(rows[first], rows[second], same, strict=True)
    assert [tuple(pair) for epoch in range(4) for pair in pairs.epoch(epoch)] == found
    # A batch that is larger than an epoch.
    large = BucketPairs(pairs.bucket, pairs=60, seed=3).batch(0)
    drawn = zip(large.rows[large.first], large.rows[large.second], large.same, strict=True)
    assert found[:60] == list(drawn)


def test_epochs_differ_and_do_not_hang_on_what_was_asked_before(pairs):
    again = BucketPairs(pairs.bucket, pairs=8, seed=3)
    second = again.epoch(1)
    assert not np.array_equal(pairs.epoch(0), second)
    assert np.array_equal(pairs.epoch(1), second)
    assert not np.array_equal(BucketPairs(pairs.bucket, pairs=8, seed=4).epoch(1), second)
