"""What others reported: the numbers that a model of this project is measured against.

Correlations of predicted and human scores, higher is better in both. An LCC here is the authors' own; whether a
curve was fitted before it, is theirs to say. Of networks that predict votes there is more: `rankiqa.metrics.votes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rankiqa.errors import InputError

METRICS = ("lcc", "srocc", "accuracy", "lcc_std", "srocc_std", "emd")
ALL = "ALL"  # all types of the set together

RANKIQA = "Liu, van de Weijer, Bagdanov: RankIQA, ICCV 2017, arXiv 1707.08347"
RANKIQA_BOTH = "Liu, van de Weijer, Bagdanov: ICCV 2017 (arXiv 1707.08347) and TPAMI 2019 (arXiv 1902.06285)"
NIMA = "Talebi, Milanfar: NIMA, IEEE TIP 2018, arXiv 1709.05424"
CONVERTED = "the released Caffe weights, converted and tested by a third party"

TID2013_TYPES = tuple(f"{number:02d}" for number in range(1, 25))
LIVE_TYPES = ("JP2K", "JPEG", "GN", "GB", "FF")
UNCHECKED = frozenset(TID2013_TYPES[4:23])  # SROCC of #05…#23

RANKS_ONLY = "trained on ranks alone, no human score"
SPLIT = "80/20 split"
TEN_SPLITS = "mean of ten 80/20 splits"


@dataclass(frozen=True)
class PublishedRow:
    """One row of a table.

    Attributes:
    ----------
    label
        Of the method, as its authors call it.
    metric
        One of `METRICS`: lcc, srocc; of votes, accuracy, lcc_std, srocc_std and emd (lower is better) too.
    values
        Distortion type → correlation, [−1, 1], or share, [0, 1]; "ALL" is the whole set. Types: "01"…"24" of TID2013;
        JP2K, JPEG, GN, GB, FF of LIVE.
    network, protocol
        Empty where not known.
    source
        Where it was reported.
    from_memory
        The types whose values were not checked against the paper's text.
    """

    label: str
    metric: str
    values: Mapping[str, float]
    network: str
    protocol: str
    source: str
    from_memory: frozenset[str] = frozenset()


def published(dataset: str, metric: str) -> list[PublishedRow]:
    """The rows of a data set in a metric; [] where nothing is known of the set.

    Raises:
        InputError: a metric that is not in `METRICS`.

    >>> [row.values["ALL"] for row in published("tid2013", "lcc") if row.label == "RankIQA+FT"]
    [0.799]
    """
    if metric not in METRICS:
        raise InputError(f"nothing published is kept in {metric!r}, only in {', '.join(METRICS)}")
    return [row for row in PUBLISHED.get(dataset, []) if row.metric == metric]


def _values(types: tuple[str, ...], numbers: str) -> dict[str, float]:
    return dict(zip(types, map(float, numbers.split()), strict=True))


def _both(label: str, lcc: float, srocc: float, network: str, protocol: str, source: str) -> list[PublishedRow]:
    """Two rows, of a method of which only the numbers of the whole set are known."""
    return [
        PublishedRow(label, metric, {ALL: value}, network, protocol, source)
        for metric, value in (("lcc", lcc), ("srocc", srocc))
    ]


def _nima(network: str, numbers: str) -> list[PublishedRow]:
    """A row a metric: accuracy, LCC and SROCC of the mean, LCC and SROCC of the standard deviation, EMD with r = 1."""
    metrics = ("accuracy", "lcc", "srocc", "lcc_std", "srocc_std", "emd")
    found = zip(metrics, map(float, numbers.split()), strict=True)
    return [PublishedRow(f"NIMA, {network}", metric, {ALL: value}, network, "", NIMA) for metric, value in found]


_LIVE = (*LIVE_TYPES, ALL)
_TID2013 = (*TID2013_TYPES, ALL)

PUBLISHED: dict[str, list[PublishedRow]] = {
    "live": [
        PublishedRow(
            "RankIQA+FT",
            "lcc",
            _values(_LIVE, ".975 .986 .994 .988 .960 .982"),
            "VGG-16",
            f"{SPLIT}, ranks of Waterloo",
            RANKIQA,
        ),
        PublishedRow("RankIQA+FT", "srocc", _values(_LIVE, ".970 .978 .991 .988 .954 .981"), "VGG-16", SPLIT, RANKIQA),
        PublishedRow("RankIQA+FT, Places2", "lcc", {ALL: 0.981}, "VGG-16", f"{SPLIT}, ranks of Places2", RANKIQA),
        *_both("FT_live, released weights", 0.977, 0.968, "VGG-16", "", CONVERTED),
    ],
    "tid2013": [
        PublishedRow(
            "RankIQA",
            "lcc",
            _values(
                _TID2013,
                ".883 .852 .906 .725 .919 .839 .904 .810 .897 .955 .937 .671 "
                ".426 .484 .639 .369 .665 .591 .833 .622 .875 .806 .891 .750 .566",
            ),
            "VGG-16",
            RANKS_ONLY,
            RANKIQA,
        ),
        PublishedRow(
            "RankIQA+FT",
            "lcc",
            _values(
                _TID2013,
                ".652 .588 .796 .326 .780 .703 .776 .811 .819 .894 .894 .755 "
                ".798 .472 .626 .260 .628 .629 .593 .661 .798 .782 .834 .874 .799",
            ),
            "VGG-16",
            SPLIT,
            RANKIQA,
        ),
        PublishedRow(
            "RankIQA",
            "srocc",
            _values(
                _TID2013,
                ".891 .799 .911 .644 .873 .869 .910 .835 .894 .902 .923 .579 "
                ".431 .463 .693 .321 .657 .622 .845 .609 .891 .788 .727 .768 .623",
            ),
            "VGG-16",
            RANKS_ONLY,
            RANKIQA,
            UNCHECKED,
        ),
        PublishedRow(
            "RankIQA+FT",
            "srocc",
            _values(
                _TID2013,
                ".667 .620 .821 .365 .760 .736 .783 .809 .767 .866 .878 .704 "
                ".810 .512 .622 .268 .613 .662 .619 .644 .800 .779 .629 .859 .780",
            ),
            "VGG-16",
            SPLIT,
            RANKIQA,
            UNCHECKED,
        ),
        *_both("Baseline", 0.663, 0.612, "VGG-16", f"{SPLIT}, no ranking stage", RANKIQA),
        *_both("FT_tid2013, released weights", 0.828, 0.797, "VGG-16", "", CONVERTED),
        *_both("Rank_tid2013, released weights", 0.545, 0.602, "VGG-16", RANKS_ONLY, CONVERTED),
    ],
    "csiq": [
        *_both("RankIQA", 0.911, 0.918, "", TEN_SPLITS, RANKIQA_BOTH),
        *_both("RankIQA+FT", 0.960, 0.947, "", TEN_SPLITS, RANKIQA_BOTH),
        *_both("BRISQUE", 0.928, 0.910, "", TEN_SPLITS, RANKIQA_BOTH),
        *_both("HOSA", 0.948, 0.930, "", TEN_SPLITS, RANKIQA_BOTH),
    ],
    "ava": [
        *_nima("MobileNet", ".8036 .518 .510 .152 .137 .081"),
        *_nima("VGG16", ".8060 .610 .592 .205 .202 .052"),
        *_nima("Inception-v2", ".8151 .636 .612 .233 .218 .050"),
    ],
    "mlive": [
        *_both("RankIQA", 0.898, 0.893, "", "", RANKIQA_BOTH),
        *_both("RankIQA+FT", 0.936, 0.921, "", "", RANKIQA_BOTH),
    ],
}
