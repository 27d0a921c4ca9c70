"""AGIQA-3K: 2,982 images that six generators made of 300 prompts, MOS 0–5.

Li et al., "AGIQA-3K: An open database for AI-generated image quality assessment", IEEE Transactions on Circuits and
Systems for Video Technology, 2023.
"""

from __future__ import annotations

import re
from pathlib import Path

from rankiqa.datasets.folder import Files
from rankiqa.datasets.label_file import LabelRow, finite_number, make_table, read_columns
from rankiqa.datasets.scored_set import ScoredSet
from rankiqa.errors import InputError

SCORE_RANGE = (0.0, 5.0)


def read(root: Path, missing: str = "error") -> ScoredSet:
    """Read `data.csv` (name, prompt, …, mos_quality, …, mos_align, …) and the images in `images/`, `AGIQA-3K/` or here.

    The score is mos_quality; how well an image fits its prompt, mos_align, is another question. The type is the
    generator and its setting, as the name tells ("sd1.5_lowstep"). The images of a prompt are a group. No published
    split is known.

    Raises:
        InputError: a file is missing, a row is not as it should be, or, unless `missing` is "record", images are not
            there.
    """
    files = Files(root)
    labels = files.require("data.csv", "AGIQA-3K/data.csv")
    listed = []
    for line, cells in read_columns(labels, ("name", "prompt", "mos_quality")):
        name = cells["name"]
        found = re.fullmatch(r"(.+)_\d+\.jpg", name, re.IGNORECASE)
        if not found:
            raise InputError(f"{name} is no name of AGIQA-3K, such as sd1.5_normal_000.jpg", path=labels, line=line)
        score = finite_number(cells["mos_quality"], f"the mos_quality of {name}", labels, line)
        path = files(f"images/{name}", f"AGIQA-3K/{name}", f"AGIQA-3K/images/{name}", name)
        listed.append(LabelRow(line, name, path, score, distortion=found[1], group=cells["prompt"]))
    table, left_out = make_table(labels, root, listed, missing)
    return ScoredSet("agiqa3k", root, SCORE_RANGE, True, table, left_out=left_out)
