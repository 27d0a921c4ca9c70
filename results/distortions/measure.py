"""What each distortion does to photos: full-reference quality by level, statistics of the noise, kernels, codecs.

Writes markdown tables and `levels.csv` beside this file. `python results/distortions/measure.py --pristine PHOTOS`.
"""

from __future__ import annotations

import argparse
import io
import math
import platform
import shlex
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import PIL
from joblib import Parallel, delayed
from PIL import Image
from scipy import ndimage
from skimage import color
from tqdm import tqdm

from rankiqa.distortions import DISTORTIONS, blur, compression, plan
from rankiqa.distortions.levels import TID2013_PSNR
from rankiqa.distortions.noise import local_contrast
from rankiqa.distortions.psnr import strengths_for_psnr
from rankiqa.images.listing import list_images
from rankiqa.images.reading import read_image
from rankiqa.metrics.full_reference import gmsd, psnr, ssim
from rankiqa.ranks.ranked_set import image_seed

HERE = Path(__file__).parent
PUBLISHED = ("live", "tid2013", "tid2013-24", "mlive", "kadid10k")  # for the others: todays_faults.py
BY_PSNR = "tid2013-24-psnr"
MEASURES = {"PSNR": 1, "SSIM": 1, "GMSD": -1}  # 1: higher is better
SHARE = 0.99


def plans(bm3d: int) -> dict[str, dict[str, tuple[float, ...] | None]]:
    """From set to type to strengths. BM3D takes half a minute an image: it has a table of its own."""
    found = {}
    for name in PUBLISHED:
        found[name] = {("ID-NLM" if kind == "ID" else kind): of for kind, of in plan(name).items()}
    found[BY_PSNR] = {kind: None for kind in found["tid2013-24"] if DISTORTIONS[kind].psnr}
    if bm3d:
        found["bm3d"] = {"ID": plan("ID")["ID"]}
    return found


def measure_photo(path: Path, reference: str, wanted: dict) -> list[dict]:
    """A row for each set, type and level."""
    cv2.setNumThreads(1)
    image = read_image(path)
    known: dict[tuple, tuple[float, float, float]] = {}
    rows = []
    for table, types in wanted.items():
        for kind, strengths in types.items():
            distortion = DISTORTIONS[kind]
            if strengths is None:
                strengths = strengths_for_psnr(distortion, image, image_seed(0, reference, kind, 1))
            for level, strength in enumerate(strengths, start=1):
                seed = image_seed(0, reference, kind, level)
                key = (kind, strength, seed)
                if key not in known:
                    made = distortion(image, strength, np.random.default_rng(seed))
                    known[key] = psnr(image, made), ssim(image, made), gmsd(image, made)
                values = dict(zip(MEASURES, known[key], strict=True))
                rows.append(
                    {"photo": reference, "set": table, "type": kind, "level": level, "strength": strength} | values
                )
    return rows


def add_falls(rows: pd.DataFrame) -> pd.DataFrame:
    """For each measure, whether quality is lower than at the level before; level 0 is perfect."""
    rows = rows.sort_values(["set", "type", "photo", "level"])
    for name, sign in MEASURES.items():
        quality = sign * rows[name]
        before = quality.groupby([rows["set"], rows["type"], rows["photo"]]).shift()
        perfect = {"PSNR": math.inf, "SSIM": 1.0, "GMSD": 0.0}[name]
        rows[f"falls by {name}"] = quality < before.fillna(sign * perfect)
    return rows


def ordered_by(shares: dict[str, float]) -> str:
    found = [name for name, share in shares.items() if share >= SHARE]
    return ", ".join(found) or "the parameter"


def table_of_set(rows: pd.DataFrame, types: Iterable[str]) -> list[str]:
    lines = [
        "| type | # | strengths | PSNR, dB | SSIM | falls by PSNR | by SSIM | by GMSD | ordered by |",
        "|" + "---|" * 9,
    ]
    for kind in types:
        of = rows[rows["type"] == kind]
        levels = of.groupby("level")
        distortion = DISTORTIONS[kind]
        strengths = " ".join(f"{s:.3g}" if abs(s) < 1000 else f"{s:.0f}" for s in levels["strength"].median())
        with np.errstate(all="ignore"):
            means = [" ".join(f"{v:.{d}f}" for v in levels[m].mean()) for m, d in (("PSNR", 1), ("SSIM", 3))]
        counts = {m: (int(of[f"falls by {m}"].sum()), len(of)) for m in MEASURES}
        shares = {m: a / n for m, (a, n) in counts.items()}
        shown = " | ".join(f"{a}/{n}" for a, n in counts.values())
        number = distortion.tid2013 if "kadid" not in rows["set"].iloc[0] else distortion.kadid10k
        lines.append(
            f"| {kind} {distortion.title} | {number or ''} | {strengths} | {means[0]} | {means[1]} | {shown} | "
            f"{ordered_by(shares)} |"
        )
    return lines


def psnr_lines(rows: pd.DataFrame) -> list[str]:
    lines = ["| type | PSNR, dB | levels within 0.1 dB | within 0.5 dB | rises in strength |", "|---|---|---|---|---|"]
    for kind in dict.fromkeys(rows["type"]):
        of = rows[rows["type"] == kind]
        away = (of["PSNR"] - of["level"].map(dict(enumerate(TID2013_PSNR, start=1)))).abs()
        means = " ".join(f"{v:.1f}" for v in of.groupby("level")["PSNR"].mean())
        wide = of.pivot(index="photo", columns="level", values="strength").diff(axis=1).iloc[:, 1:]
        sign = np.sign(DISTORTIONS[kind].limits[1] - DISTORTIONS[kind].limits[0])
        rises = int((wide * sign > 0).all(axis=1).sum())
        n = len(of)
        lines.append(
            f"| {kind} {DISTORTIONS[kind].title} | {means} | {int((away <= 0.1).sum())}/{n} | "
            f"{int((away <= 0.5).sum())}/{n} | {rises}/{of['photo'].nunique()} photos |"
        )
    return lines


NOISE = ("GN", "GNC", "SCN", "HFN", "IN", "MGN", "SPECKLE")


def asked_variance(kind: str, strength: float) -> float:
    """What the residual on a grey of 128 should have, on [0, 1]², but for clipping and rounding."""
    grey = 128 / 255
    factors = {"MGN": strength * grey**2, "SPECKLE": grey**2, "IN": (grey**2 + (1 - grey) ** 2) / 2}
    return strength * factors.get(kind, 1)


def spectrum_slope(residual: np.ndarray) -> float:
    """Of log power over log frequency, averaged over directions and channels, from 0.02 to 0.45 cycles a pixel."""
    power = np.mean([np.abs(np.fft.fft2(residual[..., c])) ** 2 for c in range(3)], axis=0)
    f = np.hypot(np.fft.fftfreq(power.shape[0])[:, None], np.fft.fftfreq(power.shape[1]))
    edges = np.geomspace(0.02, 0.45, 16)
    bins = np.digitize(f, edges)
    points = [(np.log(f[bins == i].mean()), np.log(power[bins == i].mean())) for i in range(1, len(edges))]
    return float(np.polyfit(*np.transpose(points), 1)[0])


def noise_lines() -> list[str]:
    lines = [
        "| type | strength | mean, grey levels | variance / asked | spectrum slope | correlation RG, RB, GB |",
        "|---|---|---|---|---|---|",
    ]
    grey = np.full((512, 512, 3), 128, np.uint8)
    for kind in NOISE:
        distortion = DISTORTIONS[kind]
        for strength in sorted({s for table in distortion.levels.values() for s in table})[:2]:
            made = distortion(grey, strength, np.random.default_rng(1))
            residual = made.astype(float) - 128
            if kind == "GNC":  # asked for in YCbCr
                planes = color.rgb2ycbcr(made) - color.rgb2ycbcr(grey)
                ratio = " ".join(f"{v:.2f}" for v in planes.reshape(-1, 3).var(axis=0) / 255**2 / strength)
            else:
                ratio = f"{residual.var() / 255**2 / asked_variance(kind, strength):.3f}"
            r = np.corrcoef(residual.reshape(-1, 3).T)
            lines.append(
                f"| {kind} | {strength:.3g} | {residual.mean():+.3f} | {ratio} | {spectrum_slope(residual):+.2f} | "
                f"{r[0, 1]:+.3f} {r[0, 2]:+.3f} {r[1, 2]:+.3f} |"
            )
    return lines


def masked_line(photos: list[Path]) -> str:
    found = []
    for path in photos:
        image = read_image(path)
        made = DISTORTIONS["MN"](image, 0.6, np.random.default_rng(1))
        residual = np.abs(made.astype(float) - image).mean(axis=2)
        contrast = local_contrast(image)
        quiet = contrast < np.quantile(contrast, 0.25)
        busy = contrast > np.quantile(contrast, 0.75)
        found.append((residual[quiet].mean(), residual[busy].mean()))
    quiet, busy = np.mean(found, axis=0)
    return (
        f"MN at strength 0.6 on {len(photos)} photos: mean absolute residual {quiet:.2f} grey levels in the quarter of "
        f"the pixels with the least local contrast, {busy:.2f} in the quarter with the most."
    )


def blur_lines(photos: list[Path]) -> list[str]:
    lines = ["| type | strengths | largest difference from SciPy, grey levels |", "|---|---|---|"]
    image = read_image(photos[0])
    exact = image.astype(float)

    def worst(kind: str, strengths, reference) -> str:
        made = [DISTORTIONS[kind](image, s, np.random.default_rng(2)) for s in strengths]
        return " ".join(f"{np.abs(m - reference(s)).max():.2f}" for m, s in zip(made, strengths, strict=True))

    def gaussian(sigma):
        radius = blur.kernel_width(sigma) // 2
        return ndimage.gaussian_filter(exact, sigma, mode="reflect", radius=radius, axes=(0, 1))

    def disk(radius):
        return ndimage.convolve(exact, supersampled_disk(radius)[..., None], mode="nearest")

    def motion(length):
        kernel = blur.motion_kernel(length, int(np.random.default_rng(2).integers(180))).astype(float)
        return ndimage.convolve(exact, kernel[..., None], mode="nearest")

    for kind, reference, table in (
        ("GB", gaussian, "live"),
        ("LENS", disk, "kadid10k"),
        ("MOTION", motion, "kadid10k"),
    ):
        strengths = DISTORTIONS[kind].levels[table]
        shown = " ".join(f"{s:.3g}" for s in strengths)
        lines.append(f"| {kind} | {shown} | {worst(kind, strengths, reference)} |")
    return lines


def supersampled_disk(radius: float, fine: int = 32) -> np.ndarray:
    reach = math.ceil(radius - 0.5)
    places = (np.arange((2 * reach + 1) * fine) + 0.5) / fine - reach - 0.5
    inside = np.hypot(places[:, None], places) <= radius
    area = inside.reshape(2 * reach + 1, fine, 2 * reach + 1, fine).mean(axis=(1, 3))
    return area / area.sum()


def codec_lines(photos: list[Path]) -> list[str]:
    lines = ["| JPEG 2000 ratio asked | mean found | furthest off | photos within 3 % |", "|---|---|---|---|"]
    images = [read_image(path) for path in photos]
    ratios = sorted({r for table in DISTORTIONS["JP2K"].levels.values() for r in table})
    for ratio in ratios:
        found = [image.size / len(compression.encode_jpeg2000(image, ratio)) for image in images]
        off = [f / ratio - 1 for f in found]
        near = sum(abs(o) <= 0.03 for o in off)
        lines.append(f"| {ratio} | {np.mean(found):.1f} | {100 * max(off, key=abs):+.1f} % | {near}/{len(images)} |")
    equal = total = 0
    for quality in sorted({q for table in DISTORTIONS["JPEG"].levels.values() for q in table}):
        for image in images:
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=2)
            equal += compression.encode_jpeg(image, quality) == buffer.getvalue()
            total += 1
    return [*lines, "", f"JPEG: {equal} of {total} files have the bytes of Pillow's own call (quality, 4:2:0)."]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--pristine", required=True, metavar="DIR", help="photos")
    parser.add_argument("--limit", type=int, default=24, help="photos")
    parser.add_argument("--bm3d", type=int, default=0, metavar="N", help="photos for BM3D, half a minute an image")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the tables")
    options = parser.parse_args()

    names = list_images(options.pristine)[: options.limit]
    photos = [Path(options.pristine) / name for name in names]
    wanted = plans(options.bm3d)
    bm3d = wanted.pop("bm3d", None)
    jobs = [delayed(measure_photo)(path, name, wanted) for path, name in zip(photos, names, strict=True)]
    if bm3d:
        jobs += [
            delayed(measure_photo)(p, n, {"bm3d": bm3d})
            for p, n in list(zip(photos, names, strict=True))[: options.bm3d]
        ]
    results = Parallel(n_jobs=options.workers, return_as="generator")(jobs)
    rows = add_falls(pd.DataFrame([row for part in tqdm(results, total=len(jobs)) for row in part]))

    arguments = [f"--limit={options.limit}"] + ([f"--bm3d={options.bm3d}"] if options.bm3d else [])
    command = shlex.join(["python", "results/distortions/measure.py", "--pristine", "DIR", *arguments])
    versions = f"Python {platform.python_version()}, OpenCV {cv2.__version__}, Pillow {PIL.__version__}"

    def head(count: int) -> list[str]:
        return [f"`{command}`", "", f"{count} photos; {versions}.", ""]

    if bm3d:
        wanted["bm3d"] = bm3d
    for name, types in wanted.items():
        of = rows[rows["set"] == name]
        lines = psnr_lines(of) if name == BY_PSNR else table_of_set(of, types)
        (options.out / f"{name}.md").write_text(
            "\n".join([*head(of["photo"].nunique()), *lines]) + "\n", encoding="utf-8"
        )
    means = rows.groupby(["set", "type", "level"], sort=False)
    summary = means[[*MEASURES]].mean().round(4).join(means["strength"].median())
    falls = means[[f"falls by {m}" for m in MEASURES]].sum().join(means.size().rename("photos"))
    summary.join(falls).reset_index().to_csv(options.out / "levels.csv", index=False, lineterminator="\n")
    parts = [
        *head(len(photos)),
        "Noise on a grey of 128, 512×512 pixels:", "", *noise_lines(), "", masked_line(photos), "",
        "Blur against SciPy:", "", *blur_lines(photos), "",
        "Codecs:", "", *codec_lines(photos),
    ]  # fmt: skip
    (options.out / "statistics.md").write_text("\n".join(parts) + "\n", encoding="utf-8")
    for table, kind in rows[["set", "type"]].drop_duplicates().itertuples(index=False):
        of = rows[(rows["set"] == table) & (rows["type"] == kind)]
        shares = {m: of[f"falls by {m}"].mean() for m in MEASURES}
        if max(shares.values()) < SHARE:
            print(table, kind, {m: f"{s:.3f}" for m, s in shares.items()})


if __name__ == "__main__":
    main()
