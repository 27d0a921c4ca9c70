"""BIQ2021's photos: what can be measured of them without their scores, which of them look alike, and who learns what.

`python results/default_models/photos.py --biq2021 DIR --work DIR` writes into WORK

- photos.csv: name, measurements, list (train, test: the official lists), mos (of the training list alone), twin (of a
  test photo: correlation with the training photo it looks most like), group (look-alikes), part (train, val, test);
- good.txt: the names of good photos of part train, chosen by the measurements: ranks are made of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from PIL import Image
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from rankiqa.datasets.biq2021 import LISTS

SIDE = 32  # of the thumbnails by which look-alikes are found
ALIKE = 0.9  # correlation of two thumbnails: they are of one group, and of one part
LARGEST_GROUP = 30  # larger ones stay in train
CHOSEN_BY = 1000  # photos of the training list that nothing is learned from
MEASURED = ["name", "h", "w", "q", "lap", "lap90", "noise", "block", "hi", "lo", "mean", "std", "flat"]


def measure(path: Path) -> tuple[tuple, np.ndarray]:
    """The values of MEASURED, and a thumbnail.

    q: mean of the file's first quantisation table. lap, lap90: spread of the Laplacian, of all and of the sharper
    tiles. noise: of second differences along the diagonal. block: steps at borders of 8 pixels against those elsewhere.
    hi, lo: share of clipped pixels. flat: spread within the flattest tiles.
    """
    with Image.open(path) as image:
        tables = getattr(image, "quantization", None)
        q = float(np.mean(tables[0])) if tables else np.nan
        pixels = np.asarray(image.convert("RGB"))
    thumbnail = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    height, width = grey.shape
    laplacian = cv2.Laplacian(grey, cv2.CV_32F)
    diagonal = np.abs(grey[:-2, :-2] - 2 * grey[1:-1, 1:-1] + grey[2:, 2:])
    steps = np.abs(np.diff(grey, axis=1))
    column = np.arange(steps.shape[1]) % 8
    block = steps[:, column == 7].mean() / (steps[:, column == 3].mean() + 1e-3)
    sharp = [part.std() for part in _tiles(laplacian, 64)] or [laplacian.std()]
    flat = [part.std() for part in _tiles(grey, 16)]
    values = (
        path.name,
        height,
        width,
        q,
        laplacian.std(),
        np.percentile(sharp, 90),
        np.percentile(diagonal, 25),
        block,
    )
    clipped = ((grey >= 253).mean(), (grey <= 3).mean())
    return (*values, *clipped, grey.mean(), grey.std(), np.percentile(flat, 5)), thumbnail


def _tiles(image: np.ndarray, side: int) -> list[np.ndarray]:
    height, width = image.shape
    rows, columns = range(0, height - side + 1, side), range(0, width - side + 1, side)
    return [image[i : i + side, j : j + side] for i in rows for j in columns]


def correlations(thumbnails: np.ndarray) -> np.ndarray:
    """(N, 32, 32, 3) → (N, N)."""
    rows = thumbnails.reshape(len(thumbnails), -1).astype(np.float32)
    rows -= rows.mean(1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True) + 1e-6
    return rows @ rows.T


def split(photos: pd.DataFrame, alike: np.ndarray) -> None:
    """Adds twin, group and part: whole groups of look-alikes go to val, until it has enough photos."""
    listed = (photos["list"] == "train").to_numpy()
    photos["twin"] = np.nan
    photos.loc[~listed, "twin"] = alike[np.ix_(~listed, listed)].max(1)
    i, j = np.nonzero(alike >= ALIKE)
    _, group = connected_components(coo_matrix((np.ones(len(i)), (i, j)), shape=alike.shape))
    photos["group"] = group
    sizes = pd.Series(group[listed]).value_counts()
    candidates = np.unique(group[listed])
    np.random.default_rng(0).shuffle(candidates)
    part = np.where(listed, "train", "test").astype(object)
    chosen = 0
    for candidate in candidates:
        if sizes[candidate] > LARGEST_GROUP:
            continue
        if chosen >= CHOSEN_BY:
            break
        members = (group == candidate) & listed
        part[members] = "val"
        chosen += members.sum()
    photos["part"] = part


def good(photos: pd.DataFrame) -> pd.DataFrame:
    """Photos of part train that look free of faults, from the sharpest on, one of a group; scores are not looked at."""
    name, known = photos["name"].str.lower(), photos
    clean = (known["hi"] < 0.005) & (known["lo"] < 0.01) & (known["noise"] <= 1.0) & (known["block"] < 1.35)
    tones = (known["std"] > 35) & known["mean"].between(70, 170)
    whole = (known["h"] == 512) & (known["w"] == 512)
    # ss03 came from Unsplash; ss01 and ss02 were taken with faults. The very sharpest may be noise, or sharpened.
    fit = (known["part"] == "train") & name.str.startswith("ss03") & whole & clean & tones
    sharpest = photos[fit].sort_values("lap90", ascending=False)
    return sharpest[sharpest["lap90"] < 90].head(260).drop_duplicates("group")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--biq2021", type=Path, required=True, help="the repository nisarahmedrana/BIQ2021")
    parser.add_argument("--work", type=Path, required=True, help="where all scripts here write, and read again")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    train = pd.read_csv(args.biq2021 / LISTS["train"]).iloc[:, :2].set_axis(["name", "mos"], axis=1)
    # Without its scores.
    test = pd.read_csv(args.biq2021 / LISTS["test"], usecols=[0]).set_axis(["name"], axis=1)
    listed = [name.strip() for name in (*train["name"], *test["name"])]
    files = {path.name.lower(): path for path in (args.biq2021 / "Images").iterdir()}
    found = Parallel(args.jobs, batch_size=64)(delayed(measure)(files[name.lower()]) for name in listed)
    photos = pd.DataFrame([values for values, _ in found], columns=MEASURED)
    photos["list"] = ["train"] * len(train) + ["test"] * len(test)
    photos["mos"] = [*train["mos"], *[np.nan] * len(test)]
    alike = correlations(np.stack([thumbnail for _, thumbnail in found]))
    split(photos, alike)
    photos.to_csv(args.work / "photos.csv", index=False)
    names = good(photos)["name"]
    (args.work / "good.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    print(photos["part"].value_counts().to_string(), f"{len(names)} good ones", sep="\n")
    for limit in (0.97, 0.8):
        print(f"test photos with a look-alike of at least {limit}: {(photos['twin'] >= limit).sum()}")


if __name__ == "__main__":
    main()
