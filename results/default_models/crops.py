"""Scenes of five crops of one place: pristine, and distorted in four ways, with what full-reference metrics say.

    python results/default_models/crops.py train --biq2021 DIR --pristine DIR --clic DIR --work DIR --scenes 2244 2062
    python results/default_models/crops.py val --pristine DIR --work DIR --scenes 164 164

WORK/crops_PART.npy holds the crops, (scene, 5, 288, 288, 3) of uint8; WORK/crops_PART.K.jsonl, one for each process, a
line a scene: its number, the photo's name, (type, strength, t) of each crop, then MDSI, HaarPSI and VSI (val alone) of
the four. A scene depends on its part and number alone.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from rankiqa.distortions import DISTORTIONS
from rankiqa.distortions.cropping import distort_crop

SIDE, CROPS = 288, 5
WORDS = {"train": b"rtrain", "val": b"rval"}  # what the seeds are made of
CHAINS = [name for name in DISTORTIONS if name.startswith(("PHOTO", "FEED"))]
# The laboratory's types, without the one whose licence forbids a use.
LABORATORY = [n for n in DISTORTIONS if DISTORTIONS[n].stage is None and n != "ID" and n not in CHAINS]
CAMERA = [name for name in DISTORTIONS if DISTORTIONS[name].stage not in (None, "saving")]
CODECS = [name for name in DISTORTIONS if DISTORTIONS[name].stage == "saving"]
CORE = ["GB", "GN", "JPEG", "JP2K", "JP2KTE", "JPEGTE", "SCN", "HFN", "IN", "QN", "SSR", "MN"]
SHARES = ((0.20, CORE), (0.52, LABORATORY), (0.74, CAMERA), (0.88, CODECS), (1.0, CHAINS))  # of the types, cumulated
# Two quantisation tables that the registry's types do not have, both at 4:4:4 and 4:2:0; at quality 50: one made to
# keep what an eye sees (N. Robidoux's, of ImageMagick and MozJPEG), and one that is the same for all frequencies.
ROBIDOUX = [
    *(16, 16, 16, 18, 25, 37, 56, 85, 16, 17, 20, 27, 34, 40, 53, 75, 16, 20, 24, 31, 43, 62, 91, 135),
    *(18, 27, 31, 40, 53, 74, 106, 156, 25, 34, 43, 53, 69, 94, 131, 189, 37, 40, 62, 74, 94, 124, 169, 238),
    *(56, 53, 91, 106, 131, 169, 226, 311, 85, 75, 135, 156, 189, 238, 311, 418),
]
TABLES = {"JPEGROB": np.array(ROBIDOUX), "JPEGFLAT": np.full(64, 24)}
Known = tuple[str, str, float]  # type, strength, t


@dataclass(frozen=True)
class Sources:
    """Pristine photos of a part: each kind with the share of draws up to it, and whether it was saved as JPEG once."""

    part: str
    kinds: tuple[tuple[float, list[Path], bool], ...]

    @classmethod
    def find(cls, args: argparse.Namespace) -> Sources:
        pristine = sorted((args.pristine / args.part).glob("*.png"))
        if args.part == "val":
            return cls("val", ((1.0, pristine, False),))
        good = [args.biq2021 / "Images" / name for name in (args.work / "good.txt").read_text().splitlines()]
        return cls("train", ((0.5, pristine, False), (0.78, sorted(args.clic.glob("*.png")), False), (1.0, good, True)))

    def draw(self, number: int, rng: np.random.Generator) -> tuple[Path, bool]:
        """A photo, and whether it was saved as JPEG."""
        if self.part == "val":
            photos = self.kinds[0][1]
            return photos[number % len(photos)], False
        drawn = rng.random()
        _, photos, saved = next(kind for kind in self.kinds if drawn < kind[0])
        return photos[rng.integers(len(photos))], saved


def scene(number: int, sources: Sources) -> tuple[str, list[np.ndarray], list[Known]]:
    """The photo's name, five crops, and what is known of each."""
    rng = np.random.default_rng([zlib.crc32(WORDS[sources.part]), number])
    path, saved = sources.draw(number, rng)
    image = scaled(np.asarray(Image.open(path).convert("RGB")), saved, sources.part == "val", rng)
    top, left = place(image, rng)
    pristine = image[top : top + SIDE, left : left + SIDE].copy()
    seed = int(rng.integers(2**31))
    make = qualities if rng.random() < 0.2 else several_types
    made = make(image, pristine, top, left, seed, rng)
    return path.name, [pristine, *(crop for crop, _ in made)], [("pristine", "", 0.0), *(known for _, known in made)]


def scaled(image: np.ndarray, saved: bool, whole: bool, rng: np.random.Generator) -> np.ndarray:
    """A photo, reduced (always, if it was saved as JPEG) and mirrored by chance; `whole`: not reduced."""
    side = min(image.shape[:2])
    least = (SIDE + 8) / side
    scale = 1.0
    if rng.random() < 0.75:
        lowest = max(least, 0.25 if side > 1000 else 0.6)
        scale = float(np.clip(np.exp(rng.uniform(np.log(lowest), 0)), least, 1))
    if saved:
        scale = float(rng.uniform(least, 0.75))
    if whole:
        scale = 1.0
    if side > 1000 and scale > 0.55:
        # A part of a large photo is enough.
        part = min(int(np.ceil(560 / scale)), *image.shape[:2])
        y = rng.integers(image.shape[0] - part + 1)
        x = rng.integers(image.shape[1] - part + 1)
        image = image[y : y + part, x : x + part]
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def place(image: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
    """Top and left of a crop; up to three times another one, where there is little to see."""
    height, width = image.shape[:2]

    def draw() -> tuple[int, int]:
        return int(rng.integers(height - SIDE + 1)), int(rng.integers(width - SIDE + 1))

    top, left = draw()
    for _ in range(3):
        if image[top : top + SIDE, left : left + SIDE].std((0, 1)).mean() > 25:
            break
        top, left = draw()
    return top, left


def qualities(
    image: np.ndarray, pristine: np.ndarray, top: int, left: int, seed: int, rng: np.random.Generator
) -> list[tuple[np.ndarray, Known]]:
    """JPEG at four qualities from 35 to 97, each by one of four encoders: fine steps. t is 1 − quality / 100."""
    made = []
    for _ in range(4):
        quality = int(rng.integers(35, 98))
        kind = ("JPEG420", "JPEG444", "JPEGROB", "JPEGFLAT")[rng.integers(4)]
        if kind in TABLES:
            crop = jpeg(pristine, quality, TABLES[kind], subsampling=int(rng.integers(2)) * 2)
        else:
            crop = distort_crop(DISTORTIONS[kind], image, quality, np.random.default_rng(seed), top, left, SIDE)
        made.append((crop, (kind, f"q{quality}", 1 - quality / 100)))
    return made


def jpeg(image: np.ndarray, quality: int, table: np.ndarray, subsampling: int) -> np.ndarray:
    """JPEG with a table of one's own, scaled by libjpeg's rule; subsampling 0 is 4:4:4, 2 is 4:2:0."""
    percent = 5000 / quality if quality < 50 else 200 - 2 * quality
    scaled_table = np.clip((table * percent + 50) // 100, 1, 255).astype(int).tolist()
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", qtables=[scaled_table] * 2, subsampling=subsampling)
    return np.asarray(Image.open(file))


def several_types(
    image: np.ndarray, pristine: np.ndarray, top: int, left: int, seed: int, rng: np.random.Generator
) -> list[tuple[np.ndarray, Known]]:
    """One type at two strengths with the same draws, and two more types, of which one in five has a second on top."""
    first, *others = [draw_type(rng) for _ in range(3)]
    made = []
    for j, (kind, t) in enumerate(zip((first, first, *others), rng.random(4).tolist(), strict=True)):
        for _ in range(3):
            try:
                strength = DISTORTIONS[kind].at(t)
                draws = np.random.default_rng(seed if j < 2 else seed + j)
                crop = distort_crop(DISTORTIONS[kind], image, strength, draws, top, left, SIDE)
                known = (kind, repr(strength), t)
                break
            except Exception as error:  # an encoder's, say: another type, then
                print(kind, error, flush=True)
                kind = LABORATORY[rng.integers(len(LABORATORY))]
        if j >= 2 and rng.random() < 0.2:
            second = (CORE + LABORATORY)[rng.integers(len(CORE + LABORATORY))]
            strength = DISTORTIONS[second].at(float(rng.random()) * 0.7)
            try:
                crop = DISTORTIONS[second](crop, strength, np.random.default_rng(seed + 9))
                known = (f"{kind}>{second}", "", known[2])
            except Exception as error:
                print(second, error, flush=True)
        made.append((crop, known))
    return made


def draw_type(rng: np.random.Generator) -> str:
    drawn = rng.random()
    names = next(names for share, names in SHARES if drawn < share)
    return names[rng.integers(len(names))]


def judge(crops: np.ndarray, vsi: bool) -> list[list[float] | None]:
    """(5, H, W, 3), the first pristine → MDSI (0: equal), HaarPSI and, if asked for, VSI (1: equal) of the others."""
    import piq
    import torch

    images = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
    made = images[1:]
    pristine = images[:1].expand_as(made).contiguous()
    metrics = (piq.mdsi, piq.haarpsi, *([piq.vsi] if vsi else []))
    with torch.inference_mode():
        found = [metric(made, pristine, data_range=1.0, reduction="none").tolist() for metric in metrics]
    return found if vsi else [*found, None]


def work(process: int, processes: int, count: int, sources: Sources, out: Path) -> None:
    """`count` scenes: number `process`, and every `processes`-th from there on."""
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    kept = np.lib.format.open_memmap(out.with_suffix(".npy"), "r+")
    with open(f"{out}.{process}.jsonl", "w", encoding="utf-8") as file:
        for number in range(process, process + count * processes, processes):
            try:
                photo, crops, known = scene(number, sources)
            except Exception as error:
                print("scene", number, repr(error), flush=True)
                photo, crops, known = scene(number + 10**6, sources)
            kept[number] = np.stack(crops)
            judged = judge(np.stack(crops), vsi=sources.part == "val")
            file.write(json.dumps([number, photo, known, *judged]) + "\n")
            file.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=list(WORDS))
    parser.add_argument("--biq2021", type=Path, help="for its photos in good.txt; train alone")
    parser.add_argument("--pristine", type=Path, required=True, help="folder with train/ and val/")
    parser.add_argument("--clic", type=Path, help="folder of large pristine photos; train alone")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--scenes", type=int, nargs="+", required=True, help="of each process; as many processes")
    args = parser.parse_args()
    if args.part == "train" and not (args.biq2021 and args.clic):
        parser.error("train needs --biq2021 and --clic")
    sources = Sources.find(args)
    processes = len(args.scenes)
    shape = (max(k + (count - 1) * processes for k, count in enumerate(args.scenes)) + 1, CROPS, SIDE, SIDE, 3)
    out = args.work / f"crops_{args.part}"
    np.lib.format.open_memmap(out.with_suffix(".npy"), "w+", np.uint8, shape)
    running = [
        multiprocessing.Process(target=work, args=(k, processes, count, sources, out))
        for k, count in enumerate(args.scenes)
    ]
    for process in running:
        process.start()
    for process in running:
        process.join()


if __name__ == "__main__":
    main()
