"""What the sets camera, codecs and photo do to photos: does quality fall from level to level?

Three judges of each image beside the pristine one: PSNR, SSIM, and MDSI (Nafchi et al., IEEE Access 4, 2016; piq's),
which compares gradients and colours and shares no arithmetic with any type. MDSI is 0 for equal images, more is worse.

`python results/distortions/todays_faults.py --pristine DIR` writes todays_faults.md and todays_faults.csv beside it.
"""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import piq
import torch
from joblib import Parallel, delayed
from tqdm import tqdm

from rankiqa.distortions import DISTORTIONS, plan
from rankiqa.images.listing import list_images
from rankiqa.images.reading import read_image
from rankiqa.metrics.full_reference import psnr, ssim
from rankiqa.ranks.ranked_set import image_seed

HERE = Path(__file__).parent
TODAYS = ("camera", "codecs", "photo")
WORSE = {"PSNR": -1, "SSIM": -1, "MDSI": 1}  # 1: more is worse
PERFECT = {"PSNR": np.inf, "SSIM": 1.0, "MDSI": 0.0}
GOAL = 0.98


def mdsi(image: np.ndarray, made: np.ndarray) -> float:
    """MDSI of two uint8 H×W×3 images: 0 where they are equal, more is worse."""
    x, y = (torch.from_numpy(np.ascontiguousarray(i.transpose(2, 0, 1)))[None].float() / 255 for i in (image, made))
    return float(piq.mdsi(y, x))


def measure(path: Path, name: str, kinds: tuple[str, ...], between: bool) -> list[dict]:
    """A row for each type and level of one photo; `between`, at ten steps of t in place of the levels."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    image = read_image(path)
    rows = []
    for kind in kinds:
        distortion = DISTORTIONS[kind]
        levels = tuple(distortion.at(t / 10) for t in range(11)) if between else plan(kind)[kind]
        for level, strength in enumerate(dict.fromkeys(levels), start=1):
            made = distortion(image, strength, np.random.default_rng(image_seed(0, name, kind, level)))
            values = {"PSNR": psnr(image, made), "SSIM": ssim(image, made), "MDSI": mdsi(image, made)}
            rows.append({"photo": name, "type": kind, "level": level, "strength": strength, **values})
    return rows


def with_falls(rows: pd.DataFrame) -> pd.DataFrame:
    """For each judge, whether quality is lower than at the level before; level 0 is perfect."""
    rows = rows.sort_values(["type", "photo", "level"])
    for judge, sign in WORSE.items():
        before = rows.groupby(["type", "photo"])[judge].shift().fillna(PERFECT[judge])
        rows[f"falls by {judge}"] = (rows[judge] - before) * sign > 0
    return rows


def table(rows: pd.DataFrame, kinds: tuple[str, ...]) -> list[str]:
    """A line a type."""
    lines = [
        "| type | strengths | PSNR, dB | SSIM | MDSI | falls by PSNR | by SSIM | by MDSI | |",
        "|" + "---|" * 9,
    ]
    for kind in kinds:
        of = rows[rows["type"] == kind]
        levels = of.groupby("level")
        strengths = " ".join(f"{s:.3g}" for s in levels["strength"].first())
        with np.errstate(all="ignore"):
            means = [
                " ".join(f"{v:.{d}f}" for v in levels[m].mean()) for m, d in (("PSNR", 1), ("SSIM", 3), ("MDSI", 3))
            ]
        shares = [of[f"falls by {judge}"].mean() for judge in WORSE]
        below = "" if shares[-1] >= GOAL else "below"
        shown = " | ".join(f"{100 * share:.1f} %" for share in shares)
        title = DISTORTIONS[kind].title
        lines.append(f"| {kind} {title} | {strengths} | {' | '.join(means)} | {shown} | {below} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--pristine", required=True, metavar="DIR", help="photos")
    parser.add_argument("--limit", type=int, default=24, help="photos")
    parser.add_argument("--types", default=",".join(TODAYS), help="sets and types")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--between", type=int, default=3, metavar="N", help="photos for t = 0, 0.1 … 1")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the tables")
    options = parser.parse_args()

    names = list_images(options.pristine)[: options.limit]
    kinds = tuple(plan(options.types))
    jobs = [delayed(measure)(Path(options.pristine) / name, name, kinds, False) for name in names]
    jobs += [delayed(measure)(Path(options.pristine) / name, name, kinds, True) for name in names[: options.between]]
    results = list(tqdm(Parallel(n_jobs=options.workers, return_as="generator")(jobs), total=len(jobs)))
    rows = with_falls(pd.DataFrame([row for part in results[: len(names)] for row in part]))
    lines = [
        f"`python results/distortions/todays_faults.py --pristine DIR --limit {options.limit}`",
        "",
        f"{len(names)} photos; piq {version('piq')}. Of all steps from a level to the next (level 1 from the pristine "
        f"photo) in how many quality falls; MDSI below {100 * GOAL:.0f} % is marked.",
    ]
    for part in TODAYS:
        if of := [kind for kind in plan(part) if kind in kinds]:
            lines += ["", f"## {part}", "", *table(rows, tuple(of))]
    if options.between:
        between = with_falls(pd.DataFrame([row for part in results[len(names) :] for row in part]))
        between = between[between["level"] > 1]
        shares = between.groupby("type", sort=False)["falls by MDSI"].mean()
        low = ", ".join(f"{kind} {100 * share:.0f} %" for kind, share in shares[shares < GOAL].items())
        lines += [
            "",
            f"Between the levels, `Distortion.at(t)` for t = 0, 0.1 … 1 on {options.between} photos: MDSI says that "
            f"quality falls in {100 * between['falls by MDSI'].mean():.1f} % of the steps"
            f"{f'; below {100 * GOAL:.0f} %: {low}' if low else ''}.",
        ]
    (options.out / "todays_faults.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    means = rows.groupby(["type", "level"], sort=False)
    summary = means[["strength", *WORSE]].mean().round(4).join(means[[f"falls by {m}" for m in WORSE]].mean().round(4))
    summary.reset_index().to_csv(options.out / "todays_faults.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
