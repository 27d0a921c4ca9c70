"""TID2008: 25 references × 17 types × 4 levels, MOS 0–9. Its references and types are TID2013's.

Ponomarenko et al., "TID2008 – a database for evaluation of full-reference visual quality assessment metrics", Advances
of Modern Radioelectronics 10, 2009.
"""

from __future__ import annotations

from pathlib import Path

from rankiqa.datasets import tid2013
from rankiqa.datasets.scored_set import ScoredSet

SCORE_RANGE = tid2013.SCORE_RANGE
TYPES, LEVELS = tid2013.TYPES[:17], 4


def read(root: Path, missing: str = "error") -> ScoredSet:
    """Read `mos_with_names.txt` ("5.9706 I01_01_1.bmp"), `distorted_images/` and `reference_images/`.

    The names' letters may differ in case from the file's. Types are "01"…"17", levels 1…4 as in the names; they are no
    ranks in the types 15, 16 and 17. No published split is known.

    Raises:
        InputError: a file is missing, a line is not as it should be, or, unless `missing` is "record", images are not
            there.
    """
    return tid2013.read_layout("tid2008", root, missing, TYPES, LEVELS)
