"""Small copies of the data sets of human scores: the same folders, file names and formats as the real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def picture(path: Path, shade: int, size: tuple[int, int] = (24, 20)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(shade)
    Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)


def tid2013(root: Path, references=("I04", "I05", "I25"), types=(1, 16), levels=(1, 5)) -> dict[str, float]:
    """Names in small and capital letters, BMP; CRLF at the ends of the lines, as the file is distributed."""
    scores, lines = {}, []
    for r, reference in enumerate(references):
        picture(root / "reference_images" / (f"{reference}.BMP" if r else f"{reference.lower()}.bmp"), r)
        for kind in types:
            for level in levels:
                name = f"{reference}_{kind:02d}_{level}.bmp"
                disk = name.lower() if (r + kind) % 2 else name.replace(".bmp", ".BMP")
                picture(root / "distorted_images" / disk, 100 * r + 10 * kind + level)
                scores[name.lower()] = round(2.5 + 0.7 * r + 0.1 * kind - 0.31234 * level, 5)
                lines.append(f"{scores[name.lower()]:.5f} {name}\r\n")
    (root / "mos_with_names.txt").write_text("".join(lines), newline="")
    return scores


def live(root: Path, realigned: bool = True) -> dict[str, tuple[float, bool, str]]:
    """Two images and an undistorted copy in each folder; rows of numbers and a cell array of names."""
    from scipy.io import savemat

    rows = {}
    for name in ("bikes", "lighthouse"):
        picture(root / "refimgs" / f"{name}.bmp", len(name))
    for f, folder in enumerate(("jp2k", "jpeg", "wn", "gblur", "fastfading")):
        for k in (1, 2, 3):
            picture(root / folder / f"img{k}.bmp", 10 * f + k)
            rows[f"{folder}/img{k}.bmp"] = (0.0 if k == 3 else 20.5 * f + k, k == 3, "bikes" if k % 2 else "lighthouse")
    dmos, orgs, names = zip(*rows.values(), strict=True)
    cells = np.empty((1, len(names)), dtype=object)
    cells[0] = [f"{name}.bmp" for name in names]
    savemat(root / "dmos.mat", {"dmos": np.array([dmos]), "orgs": np.array([orgs], dtype=np.uint8)})
    savemat(root / "refnames_all.mat", {"refnames_all": cells})
    if realigned:
        new = np.array([dmos]) * 1.1 - 2
        savemat(root / "dmos_realigned.mat", {"dmos_new": new, "dmos_std": new * 0, "orgs": np.array([orgs], np.uint8)})
    return rows


CSIQ = (("noise", "awgn", "AWGN"), ("blur", "blur", "BLUR"), ("contrast", "contrast", "contrast"))
CSIQ += (("fnoise", "fnoise", "fnoise"), ("jpeg", "jpeg", "JPEG"), ("jpeg 2000", "jpeg2000", "jpeg2000"))


def csiq(root: Path) -> dict[str, float]:
    """An Excel sheet whose header is in row 4, from column D on; an image is a number or a word."""
    from openpyxl import Workbook

    book = Workbook()
    book.active.title = "by_distortion"
    sheet = book.create_sheet("all_by_image")
    sheet["D1"] = "CSIQ"
    header = ("image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos")
    for k, name in enumerate(header):
        sheet.cell(4, 4 + k, name)
    scores, line = {}, 5
    for r, image in enumerate((1600, "swarm")):
        picture(root / "src_imgs" / f"{image}.png", r)
        for t, (kind, folder, part) in enumerate(CSIQ):
            for level in (1, 5):
                name = f"{image}.{part}.{level}.png"
                picture(root / "dst_imgs" / folder / name, 1000 + 100 * r + 10 * t + level)
                scores[name.upper()] = round(0.1 * t + 0.05 * level + 0.03 * r, 4)
                for k, value in enumerate((image, t + 1, kind, level, 0.05, scores[name.upper()])):
                    sheet.cell(line, 4 + k, value)
                line += 1
    book.save(root / "csiq.DMOS.xlsx")
    return scores


def kadid10k(root: Path) -> dict[str, float]:
    scores, lines = {}, ["dist_img,ref_img,dmos,var\n"]
    for r in (1, 2):
        picture(root / "images" / f"I{r:02d}.png", r)
        for kind in (1, 25):
            for level in (1, 5):
                name = f"I{r:02d}_{kind:02d}_{level:02d}.png"
                picture(root / "images" / name, 100 * r + kind + level)
                scores[name] = 4.57 - 0.5 * level - 0.01 * kind
                lines.append(f"{name},I{r:02d}.png,{scores[name]:.2f},0.5\n")
    (root / "dmos.csv").write_text("".join(lines))
    return scores


def ava(root: Path, train=(101, 102, 104)) -> dict[str, list[int]]:
    """Six photos, of which 104 is listed but not there; the lists of the generic task."""
    rng = np.random.default_rng(0)
    votes = {str(k): rng.integers(0, 60, 10).tolist() for k in range(101, 107)}
    lines = [f"{i} {k} {' '.join(map(str, v))} 1 22 1396 \n" for i, (k, v) in enumerate(votes.items(), start=1)]
    (root / "AVA.txt").write_text("".join(lines))
    for k in votes:
        if k != "104":
            picture(root / "images" / f"{k}.jpg", int(k))
    lists = root / "aesthetics_image_lists"
    lists.mkdir()
    (lists / "generic_ls_train.jpgl").write_text("".join(f"{k}\n" for k in train))
    (lists / "generic_ss_train.jpgl").write_text("101\n")
    (lists / "generic_test.jpgl").write_text("103\n105\n")
    return votes


def biq2021(root: Path) -> dict[str, float]:
    """As in the repository: two lists with two empty columns at the right, and a folder Images."""
    scores = {f"ss01 ({k}).jpg": round(0.1 * k, 4) for k in range(1, 7)}
    for k, name in enumerate(scores):
        picture(root / "Images" / name, k)
    rows = list(scores.items())
    for part, some in (("Train", rows[:4]), ("Test", rows[4:])):
        text = "Image Name,MOS,,\n" + "".join(f"{name},{score:.4f},,\n" for name, score in some)
        (root / f"{part} (Images and MOS).csv").write_text(text)
    return scores


LAYOUTS = {f.__name__: f for f in (tid2013, live, csiq, kadid10k, ava, biq2021)}
LABELS = {  # the text files with the scores, and a line of each
    "tid2013": "mos_with_names.txt",
    "kadid10k": "dmos.csv",
    "ava": "AVA.txt",
    "biq2021": "Train (Images and MOS).csv",
}
