import pytest

from rankiqa.errors import InputError
from rankiqa.evaluation.published import ALL, LIVE_TYPES, PUBLISHED, TID2013_TYPES, published


def row(dataset, metric, label):
    (found,) = (row for row in published(dataset, metric) if row.label == label)
    return found


def test_tid2013_has_every_type():
    for metric in ("lcc", "srocc"):
        for label in ("RankIQA", "RankIQA+FT"):
            assert list(row("tid2013", metric, label).values) == [f"{k:02d}" for k in range(1, 25)] + ["ALL"]


@pytest.mark.parametrize(
    ("metric", "label", "total", "whole"),
    [
        # added by hand, in thousandths, four types at a time
        ("lcc", "RankIQA", 3366 + 3472 + 3460 + 1918 + 2711 + 3322, 0.566),
        ("lcc", "RankIQA+FT", 2362 + 3070 + 3362 + 2156 + 2511 + 3288, 0.799),
        ("srocc", "RankIQA", 3245 + 3487 + 3298 + 1908 + 2733 + 3174, 0.623),
        ("srocc", "RankIQA+FT", 2473 + 3088 + 3215 + 2212 + 2538 + 3067, 0.780),
    ],
)
def test_tid2013_sums(metric, label, total, whole):
    values = row("tid2013", metric, label).values
    assert sum(values[kind] for kind in TID2013_TYPES) == pytest.approx(total / 1000, abs=1e-9)
    assert values[ALL] == whole


def test_single_values():
    assert row("tid2013", "lcc", "RankIQA+FT").values["16"] == 0.260  # the lowest of its row
    assert row("tid2013", "lcc", "RankIQA").values["24"] == 0.750
    assert row("tid2013", "srocc", "RankIQA").values["04"] == 0.644
    assert row("tid2013", "srocc", "RankIQA+FT").values["24"] == 0.859
    assert row("tid2013", "lcc", "Baseline").values == {"ALL": 0.663}
    assert row("tid2013", "srocc", "Baseline").values == {"ALL": 0.612}
    assert row("csiq", "lcc", "RankIQA+FT").values == {"ALL": 0.960}
    assert row("csiq", "srocc", "HOSA").values == {"ALL": 0.930}
    assert row("mlive", "srocc", "RankIQA").values == {"ALL": 0.893}


def test_ava_has_what_nima_reports_of_votes():
    expected = {
        "NIMA, MobileNet": (0.8036, 0.518, 0.510, 0.152, 0.137, 0.081),
        "NIMA, VGG16": (0.8060, 0.610, 0.592, 0.205, 0.202, 0.052),
        "NIMA, Inception-v2": (0.8151, 0.636, 0.612, 0.233, 0.218, 0.050),
    }
    metrics = ("accuracy", "lcc", "srocc", "lcc_std", "srocc_std", "emd")
    for label, values in expected.items():
        assert tuple(row("ava", metric, label).values[ALL] for metric in metrics) == values
    assert {r.metric for name, rows in PUBLISHED.items() if name != "ava" for r in rows} == {"lcc", "srocc"}


def test_live():
    lcc, srocc = (row("live", metric, "RankIQA+FT").values for metric in ("lcc", "srocc"))
    assert tuple(lcc) == tuple(srocc) == (*LIVE_TYPES, ALL)
    assert (lcc["FF"], lcc["ALL"], srocc["JP2K"], srocc["ALL"]) == (0.960, 0.982, 0.970, 0.981)


def test_what_was_not_checked_says_so():
    unchecked = {(name, r.metric, r.label) for name, rows in PUBLISHED.items() for r in rows if r.from_memory}
    assert unchecked == {("tid2013", "srocc", "RankIQA"), ("tid2013", "srocc", "RankIQA+FT")}
    assert row("tid2013", "srocc", "RankIQA").from_memory == {f"{k:02d}" for k in range(5, 24)}


def test_every_row_is_a_row_of_correlations_with_a_source():
    for rows in PUBLISHED.values():
        assert len({(row.label, row.metric) for row in rows}) == len(rows)
        for row in rows:
            assert row.source
            assert all(0 < value < 1 for value in row.values.values())
            assert row.from_memory <= set(row.values)


def test_what_is_not_known():
    assert published("kadid10k", "lcc") == []
    with pytest.raises(InputError, match="nothing published is kept in 'rmse', only in lcc, srocc, accuracy"):
        published("live", "rmse")
