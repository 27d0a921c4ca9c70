"""What an evaluation measures against: a ranked set, or images with human scores."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rankiqa.datasets.registry import open_dataset
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.datasets.splits import Split
from rankiqa.errors import InputError


@dataclass(frozen=True)
class Source:
    """Images with something to measure against: a folder of ranks, or a `ScoredSet`.

    Attributes:
        label: what tables call the set.
        data: goes into the summary: kind ("ranks" or "labels"), label and where it is from.
        ranks: folder of a ranked set.
        dataset: in its place, the images with human scores.
        split: of these, see `open_source`.
        known_splits: those that were drawn already, as grouping may read every image.
    """

    label: str
    data: dict[str, Any]
    ranks: Path | None = None
    dataset: ScoredSet | None = None
    split: str | None = None
    known_splits: dict[tuple[Any, ...], Split] = field(default_factory=dict)


def open_source(
    ranks: str | Path | None = None,
    dataset: str | ScoredSet | None = None,
    root: str | Path | None = None,
    split: str | None = None,
    labels: str | Path | None = None,
    label: str | None = None,
    **options: Any,
) -> Source:
    """Open a ranked set, or a data set of human scores.

    Args:
        ranks: folder of a ranked set; truth is minus the level.
        dataset: in place of `ranks`, a `ScoredSet`, or a name of `rankiqa.datasets.registry.DATASETS`.
        root: of a name, its folder.
        split: of the human scores, the part "test" of it is scored: a spec of `rankiqa.datasets.splits.make_split`.
            None: split.csv of the model's run if it was fine-tuned on this set, else all.
        labels: of "csv", the file with the scores.
        label: what tables call the set; None: the name of the ranked set's folder, or of the data set.
        options: further arguments of `rankiqa.datasets.registry.open_dataset`.

    Raises:
        InputError: neither or both of `ranks` and `dataset`; what `open_dataset` refuses.
    """
    if (ranks is None) == (dataset is None):
        raise InputError("give a ranked set, or a data set of human scores: the one or the other")
    if ranks is not None:
        about: dict[str, Any] = {
            "kind": "ranks",
            "ranks": str(ranks),
            "manifest_sha256": _sha256(Path(ranks) / "manifest.csv"),
        }
        label = label or Path(ranks).resolve().name
        return Source(label, {**about, "label": label}, ranks=Path(ranks))
    assert dataset is not None
    if isinstance(dataset, str):
        if root is None:
            raise InputError(f"the data set {dataset} needs the folder that it lies in", options=("root",))
        if (labels is not None) != (dataset == "csv"):
            raise InputError(
                "the data set csv needs the file with the scores, and no other takes one", options=("labels",)
            )
        dataset = open_dataset(dataset, root, labels=labels, **options)
    label = label or dataset.name
    data: dict[str, Any] = {
        "kind": "labels",
        "label": label,
        "dataset": dataset.name,
        "images": str(dataset.root),
        **({"labels": str(labels)} if labels is not None else {}),
        "labels_sha256": _sha256(Path(labels)) if labels is not None else dataset.labels_sha256(),
        "score_range": list(dataset.score_range),
        "higher_is_better": dataset.higher_is_better,
        "type_names": dict(dataset.type_names),
        "left_out": {"count": len(dataset.left_out), "images": [dict(entry) for entry in dataset.left_out]},
    }
    return Source(label, data, dataset=dataset, split=split)


def _sha256(path: Path) -> str | None:
    # whatever is wrong with the file is said by what reads it
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
