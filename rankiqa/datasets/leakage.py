"""Refuse a split that lets a network see in training what it is tested on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rankiqa.datasets.biq2021 import is_part
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.datasets.splits import PARTS, Split
from rankiqa.errors import InputError
from rankiqa.images.icc import CHOICES
from rankiqa.images.photos import PRISTINE, Photo, read_photos

OWN = ("csv", "pairs")  # sets of one's own, scores and votes
# Sets whose references are the same, under the same names: TID2013 took over the 25 of TID2008 (tid2013.py's paper).
SAME_REFERENCES = (frozenset({"tid2008", "tid2013"}),)


def learned_from(finetuned_on: Mapping[str, Any] | None, dataset: ScoredSet) -> list[Mapping[str, Any]]:
    """The entries of a model's finetuned_on (config.json), that of earlier stages too, that are of this very data set.

    Any table of one's own is called csv, any list of votes pairs: there the pictures tell. The same pictures under
    other names are not known again.
    """
    entries = [finetuned_on, *(finetuned_on.get("earlier") or ())] if finetuned_on else []
    if dataset.name not in OWN:
        return [entry for entry in entries if entry.get("dataset") == dataset.name]
    paths = set(dataset.table["path"])
    own = [entry for entry in entries if entry.get("dataset") in OWN]
    return [entry for entry in own if not paths.isdisjoint(entry.get("paths") or ())]


def references_elsewhere(finetuned_on: Mapping[str, Any] | None, dataset: ScoredSet) -> set[str]:
    """The references of a data set that a model learned from in another one, which has the same under the same names.

    Of an entry of finetuned_on count its groups, and the references of those of its paths that both sets have.
    """
    entries = [finetuned_on, *(finetuned_on.get("earlier") or ())] if finetuned_on else []
    kin = {name for names in SAME_REFERENCES if dataset.name in names for name in names - {dataset.name}}
    known = dict(zip(dataset.table["path"], dataset.table["reference"], strict=True))
    found: set[str] = set()
    for entry in entries:
        if entry.get("dataset") in kin:
            found |= set(entry.get("groups") or ()) | {known.get(path, "") for path in entry.get("paths") or ()}
    return found & set(known.values()) - {""}


def own_paths(finetuned_on: Mapping[str, Any] | None) -> set[str]:
    """The paths of photos of one's own that a model's finetuned_on (config.json) names, that of earlier stages too."""
    entries = [finetuned_on, *(finetuned_on.get("earlier") or ())] if finetuned_on else []
    return {path for entry in entries if entry.get("dataset") in OWN for path in entry.get("paths") or ()}


def learned_paths(entry: Mapping[str, Any], dataset: ScoredSet) -> set[str]:
    """The paths of a data set that an entry of finetuned_on names: its paths, and all but the test part of its split.

    A part of BIQ2021 has lists of its own, so that of its photos none is known to be new.
    """
    found = set(entry.get("paths") or ())
    if (name := entry.get("split")) is not None:
        lists = not (dataset.name == "biq2021" and is_part(dataset.root))
        parts = dataset.splits.get(name, {}) if lists else {}
        found |= {path for path in dataset.table["path"] if parts.get(path) != "test"}
    return found


def seen_in_test(
    finetuned_on: Mapping[str, Any] | None, dataset: ScoredSet, split: Split, *, groups: bool = False
) -> list[str]:
    """The paths of the test images whose human scores a model learned from, in the order of the table.

    Those whose reference it learned from in another data set count too, as the distorted versions there are the like.

    Args:
        finetuned_on: of the model's config.json; None: it learned from none.
        dataset: the images.
        split: their parts.
        groups: also take an image of a group that the model learned from: another view of the same scene.
    """
    learned = learned_from(finetuned_on, dataset)
    paths = {path for entry in learned for path in learned_paths(entry, dataset)}
    names = {group for entry in learned for group in entry.get("groups") or ()} if groups else set()
    elsewhere = references_elsewhere(finetuned_on, dataset)
    rows = zip(dataset.table["path"], dataset.table["reference"], split.groups, split.parts, strict=True)
    return [
        path
        for path, reference, group, part in rows
        if part == "test" and (path in paths or group in names or reference in elsewhere)
    ]


def check_leakage(
    dataset: ScoredSet,
    split: Split,
    *,
    photos: Mapping[str, Photo] | None = None,
    trained_photos: Mapping[str, str] | None = None,
) -> list[str]:
    """Raise `InputError` where the parts of a split are not independent, or the test part is not new to the network.

    Refused is, between any two of the parts train, val and test: a reference in both, a group in both, the same picture
    in both. Refused is also a test picture that the network learned from in its ranking stage.

    One exception: the published lists of data sets without references are known to share scenes between training and
    testing, and results on other lists do not compare with published ones. So a published list, by its name or from a
    file, may divide groups, and pictures without a reference, with a warning; what it trains on may hold a part
    "val", which divides no group unless it is the list's own.

    Args:
        dataset: n rows.
        split: of the same rows.
        photos: path → `Photo`, as `rankiqa.images.photos.read_photos` gives; None: pictures are not compared.
        trained_photos: SHA-256 of the pixels → name, `training_photos` of a ranking run's config.json. Compared are the
            references of the test part, its undistorted copies and, with `photos`, all its images. Another size or a
            crop of a trained photo is another picture: it is not found.

    Returns:
        Warnings, one line each, for the caller to show.

    Raises:
        InputError: what is in two parts, or was learned from, with the first one of it.
    """
    return [
        *_check_groups(dataset, split),
        *_check_pictures(dataset, split, photos or {}),
        *_check_trained(dataset, split, photos or {}, trained_photos or {}),
    ]


def _check_groups(dataset: ScoredSet, split: Split) -> list[str]:
    """References and groups with rows in two parts; the groups of the table too, as a file may have others."""
    table = dataset.table
    for kind, names in (("reference", table["reference"]), ("group", table["group"]), ("group", split.groups)):
        if not (found := _divided(names, split)):
            continue
        line = _describe(found, kind, f"split {split.name} of {dataset.name}")
        drawn = not _is_published(dataset, split, as_it_is=True)  # a "val" in it, if there is one
        between_own = drawn and any({"train", "val"} <= set(parts) for parts in found.values())
        if kind == "reference" or between_own or not _is_published(dataset, split):
            cure = f"keep each {kind} in one part: draw the split (random), or correct its file"
            raise InputError(line, cure=cure)
        return [f"{line}: the published list divides these scenes, so its result is not fully independent"]
    return []


def _check_pictures(dataset: ScoredSet, split: Split, photos: Mapping[str, Photo]) -> list[str]:
    """The same pixels in two parts, whatever kind of file they are in."""
    table = dataset.table
    sha = [_sha256(photos.get(path)) for path in table["path"]]
    if not (found := _divided(sha, split)):
        return []
    rows = zip(sha, split.parts, table["path"], table["reference"], strict=True)
    copies = [row for row in rows if row[0] in found]
    example = {part: path for s, part, path, _ in reversed(copies) if s == copies[0][0]}
    both = " and ".join(f"{example[part]} ({part})" for part in PARTS if part in example)
    count = f"{len(found)} picture{'s are' if len(found) > 1 else ' is'}"
    line = f"split {split.name} of {dataset.name}: {count} in two parts with the same pixels, the first as {both}"
    if any(reference for *_, reference in copies) or not _is_published(dataset, split):
        raise InputError(line, cure="give a split file that leaves such copies out")
    return [f"{line}: the published list has these copies"]


def _read(files: Mapping[str, Path]) -> list[tuple[str, Photo | InputError]]:
    """Photos with and without their colour profiles: nothing says which of the two was learned from."""
    return [pair for icc in CHOICES for pair in read_photos(files, convert=True, icc=icc).items()]


def _check_trained(
    dataset: ScoredSet, split: Split, photos: Mapping[str, Photo], trained: Mapping[str, str]
) -> list[str]:
    """Test pictures among those that the ranking stage learned from."""
    if not trained:
        return []
    test = dataset.table[split.mask("test")]
    references = [name for name in dict.fromkeys(test["reference"]) if name]
    copies = test[(test["distortion"] == PRISTINE) & ~test["path"].isin(photos)]
    files = {name: dataset.references[name] for name in references if name in dataset.references}
    pictures: list[tuple[str, Photo | InputError]] = [(path, photos[path]) for path in test["path"] if path in photos]
    pictures += _read(dict(zip(copies["path"], copies["file"], strict=True)))
    pristine = _read(files)
    what = f"{dataset.name}, split {split.name}"
    for kind, found in (("references", pristine), ("images", pictures)):
        if known := {name: trained[s] for name, photo in found if (s := _sha256(photo)) in trained}:
            name, learned = next(iter(known.items()))
            raise InputError(
                f"{what}: {len(known)} of the test {kind} are photos that the ranking stage learned from, the first is "
                f"{name} (there {learned})",
                cure="rank on other photos, or test on other references",
            )
    # An undistorted copy among the images stands in for a reference that is not on the disk.
    seen = {name for name, photo in pristine if _sha256(photo)}
    undistorted = test[test["distortion"] == PRISTINE]
    readable = {path for path, photo in pictures if _sha256(photo)}
    seen |= {r for r, path in zip(undistorted["reference"], undistorted["path"], strict=True) if path in readable}
    if unseen := [name for name in references if name not in seen]:
        return [
            f"{what}: {len(unseen)} of {len(references)} test references cannot be read, the first is {unseen[0]}: "
            "whether the ranking stage learned from them is not known"
        ]
    return []


def _sha256(photo: Photo | InputError | None) -> str:
    return photo.sha256 if isinstance(photo, Photo) else ""


def _divided(names: Iterable[str], split: Split) -> dict[str, list[str]]:
    """The names with rows in two or three parts, and these parts; "" is no name."""
    found: dict[str, set[str]] = {}
    for name, part in zip(names, split.parts, strict=True):
        if name and part:
            found.setdefault(name, set()).add(part)
    return {name: [part for part in PARTS if part in parts] for name, parts in found.items() if len(parts) > 1}


def _describe(found: Mapping[str, list[str]], kind: str, what: str) -> str:
    name, parts = next(iter(found.items()))
    count = f"{len(found)} {kind}{'s are' if len(found) > 1 else ' is'}"
    return f"{what}: {count} in two parts, the first is {name} in {' and '.join(parts)}"


def _is_published(dataset: ScoredSet, split: Split, as_it_is: bool = False) -> bool:
    """Whether the split is a published list of the set, by name or from a file.

    Some of what it trains on may be "val", unless the list is asked for as it is.
    """
    same = {} if as_it_is else {"val": "train"}
    parts = [same.get(part, part) for part in split.parts]
    lists = ([listed.get(path, "") for path in dataset.table["path"]] for listed in dataset.splits.values())
    return any(parts == [same.get(part, part) for part in listed] for listed in lists)
