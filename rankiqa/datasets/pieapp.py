"""PieAPP: 82,080 pairs of distorted versions of 200 photos, 40 people's preferences each.

Prashnani, Cai, Mostofi, Sen, "PieAPP: Perceptual image-error assessment through pairwise preference", CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rankiqa.datasets.folder import Files
from rankiqa.datasets.label_file import finite_number, read_csv_rows
from rankiqa.datasets.paired_rows import PairRow, make_paired_set
from rankiqa.datasets.paired_set import PairedSet
from rankiqa.errors import InputError

PARTS = ("train", "val", "test")
ENDING = "_pairwise_labels.csv"
ASKED, ESTIMATED = ("raw preference for a", "preference for a"), "processed preference for a"
VOTES = 40
UNANSWERED = "nobody was asked, and nothing was estimated"


def read(root: Path, missing: str = "error") -> PairedSet:
    """Read `labels/train/ref_1_pairwise_labels.csv` …, `distorted_images/train/ref_1/` …, `reference_images/train/` ….

    A file's first three columns are the reference and the images A and B; then come the share of people that preferred
    A ("raw preference for A", in the test part "preference for A"), which is empty where nobody was asked, and an
    estimate for those ("processed preference for A"), which is taken there: such pairs have no number of votes. In the
    test part the reference itself is compared too. The group is the reference.

    Raises:
        InputError: a file is missing, a row is not as it should be, or, unless `missing` is "record", images are not
            there.
    """
    files = Files(root)
    labels = {part: [p for p in files.under(f"labels/{part}") if p.lower().endswith(ENDING)] for part in PARTS}
    if not any(labels.values()):
        files.require(f"labels/train/ref_1{ENDING}")  # which tells where it may be
    rows = [row for part, paths in labels.items() for path in paths for row in _rows(files, root / path, part)]
    return make_paired_set("pieapp", root / "labels", root, rows, missing)


def _rows(files: Files, file: Path, part: str) -> Iterator[PairRow]:
    header, rows = read_csv_rows(file)
    names = [name.lower() for name in header]
    at = {name: names.index(name) for name in (*ASKED, ESTIMATED) if name in names}
    if len(header) < 4 or not at:
        why = f"the columns must be a reference, two images and the preference for A, not {', '.join(header)}"
        raise InputError(why, path=file)
    first: dict[tuple[str, ...], int] = {}
    for line, cells in rows:
        reference, *images = cells[:3]
        if (place := first.setdefault(tuple(cells[:3]), line)) != line:
            why = f"{' and '.join(images)} are there twice, first in line {place}"
            raise InputError(why, path=file, line=line, cure="keep one")
        shares = {name: cells[k] for name, k in at.items() if cells[k]}
        asked = next((shares[name] for name in ASKED if name in shares), "")
        places = [_place(reference, part, reference), *(_place(image, part, reference) for image in images)]
        pristine, one, other = ((place, files(place)) for place in places)
        if not shares:
            yield PairRow(one, other, pristine, part=part, reason=UNANSWERED)
            continue
        share = finite_number(asked or shares[ESTIMATED], f"the preference for {images[0]}", file, line)
        if not 0 <= share <= 1:
            raise InputError(f"the preference for {images[0]} is {share:g}, not from 0 to 1", path=file, line=line)
        yield PairRow(one, other, pristine, 1 - share, VOTES if asked else None, part)


def _place(name: str, part: str, reference: str) -> str:
    """Where an image lies; the reference may be one of the two."""
    if name.lower() == reference.lower():
        return f"reference_images/{part}/{name}"
    return f"distorted_images/{part}/{Path(reference).stem}/{name}"
