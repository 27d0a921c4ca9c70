"""Simulated raters, the photos that they vote on, and what a network knows of these: for the scripts beside it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from scipy.optimize import brentq
from scipy.special import ndtr

from rankiqa.datasets.pairs import Pairs
from rankiqa.scoring.scorer import Scorer
from rankiqa.training.tuning import Photos, TuneOptions, look

AGREE = 0.8  # how often two raters agree on a random pair
# ImageNet's classes of animals, of landscapes, and of plants and fungi; the others were made by people.
NATURE = (range(398), range(970, 981), range(984, 999))
SIDE = 224  # pixels; of a photo that classes are told of


def unit(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / values.std()


def colourfulness(file: Path) -> float:
    """Hasler, Süsstrunk, "Measuring colourfulness in natural images", 2003."""
    red, green, blue = np.moveaxis(np.asarray(Image.open(file).convert("RGB"), np.float64), 2, 0)
    first, second = red - green, (red + green) / 2 - blue
    return float(np.hypot(first.std(), second.std()) + 0.3 * np.hypot(first.mean(), second.mean()))


def nature(files: list[Path], weights: Path) -> np.ndarray:
    """(N,) the logarithm of the odds that a photo shows what nobody made, as EfficientNet-Lite0 has it."""
    import timm

    network = timm.create_model("tf_efficientnet_lite0", checkpoint_path=str(weights)).eval()
    natural = torch.zeros(1000, dtype=torch.bool)
    for classes in NATURE:
        natural[list(classes)] = True
    found = []
    with torch.inference_mode():
        for file in files:
            small = Image.open(file).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            image = torch.from_numpy(np.array(small)).permute(2, 0, 1)[None] / 127.5 - 1
            logits = network(image)[0].double()
            found.append(float(logits[natural].logsumexp(0) - logits[~natural].logsumexp(0)))
    return np.array(found)


@dataclass(frozen=True)
class Raters:
    """Raters who see a quality with Gaussian noise, and say which of two photos has more of it.

    Attributes:
        quality: (N,) of the photos.
        deviation: of the noise of a difference, so that two raters agree on `AGREE` of random pairs.
    """

    quality: np.ndarray
    deviation: float

    @classmethod
    def of(cls, quality: np.ndarray) -> Raters:
        i, j = np.triu_indices(len(quality), 1)
        difference = quality[i] - quality[j]

        def agreement(deviation: float) -> float:
            p = ndtr(difference / deviation)
            return float((p**2 + (1 - p) ** 2).mean())

        return cls(quality, brentq(lambda deviation: agreement(deviation) - AGREE, 0.01, 10))

    def votes(self, rows: np.ndarray, number: int, rng: np.random.Generator) -> Pairs:
        first = rng.choice(rows, number)
        second = rng.choice(rows, number)
        while (same := first == second).any():
            second[same] = rng.choice(rows, same.sum())
        prefer = rng.random(number) < ndtr((self.quality[first] - self.quality[second]) / self.deviation)
        pairs = zip(np.where(prefer, first, second), np.where(prefer, second, first), strict=True)
        return Pairs.of([(str(better), str(worse), 1.0, False) for better, worse in pairs])

    def best(self, rows: np.ndarray) -> float:
        """The share of their votes on all pairs of some photos that the quality itself has right."""
        return over_pairs(self.right(self.quality, rows), np.ones(len(rows)))

    def right(self, scores: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(n, n) the share of their votes on each two of some photos that scores would have right."""
        first, second = np.meshgrid(rows, rows, indexing="ij")
        p = ndtr((self.quality[first] - self.quality[second]) / self.deviation)
        order = np.sign(scores[first] - scores[second])
        return np.where(order == 0, 0.5, np.where(order > 0, p, 1 - p))


def over_pairs(values: np.ndarray, times: np.ndarray) -> float:
    """The mean of (n, n) over all pairs of two photos that are there so many times."""
    weights = np.outer(times, times) - np.diag(times**2)
    return float((values * weights).sum() / weights.sum())


@dataclass(frozen=True)
class Setting:
    """What all scripts here begin with.

    Attributes:
        scorer: the default model.
        files: (N,) of the photos of part val.
        photos: what the default model knows of them.
        voted, tested: rows to vote on, and rows to measure on, divided by what they show.
        tastes: the (N,) quality that raters go by, by its name.
    """

    scorer: Scorer
    files: list[Path]
    photos: Photos
    voted: np.ndarray
    tested: np.ndarray
    tastes: dict[str, np.ndarray]

    @classmethod
    def of(cls, args: argparse.Namespace) -> Setting:
        scorer = Scorer.load(None, "cpu")
        table = pd.read_csv(args.photos)
        table = table[table["part"] == "val"].reset_index(drop=True)
        files = [args.biq2021 / "Images" / name for name in table["name"]]
        group = tuple(table["group"].astype(str))
        place = args.work / "votes.npz"
        if not place.exists():
            found = look(scorer, files, group, TuneOptions(workers=1))
            colours = np.array([colourfulness(file) for file in files])
            natural = nature(files, args.weights)
            known = {name: getattr(found, name) for name in ("raw", "inputs", "share", "stage")}
            np.savez(place, **known, colour=colours, nature=natural)
        kept = np.load(place)
        people = unit(table["mos"].to_numpy())
        colour, natural = unit(np.sqrt(kept["colour"])), unit(kept["nature"])
        tastes = {
            "BIQ2021": people,
            "BIQ2021 and colour": unit(people + colour),
            "BIQ2021 and no colour": unit(people - colour),
            "BIQ2021 and nature": unit(people + natural),
        }
        photos = Photos(*(kept[name] for name in ("raw", "inputs", "share", "stage")), group)
        return cls(scorer, files, photos, *halves(group), tastes)

    def raters(self, asked: list[str] | None) -> Iterator[tuple[str, Raters]]:
        """Of each taste, or of those that were asked for."""
        for name, quality in self.tastes.items():
            if not asked or name in asked:
                yield name, Raters.of(quality)


def halves(group: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The rows to vote on, and those to measure on."""
    names = np.random.default_rng(0).permutation(sorted(set(group)))
    voted = np.isin(group, names[: len(names) // 2])
    return np.flatnonzero(voted), np.flatnonzero(~voted)


def numbered(pairs: Pairs) -> Pairs:
    """Over all photos, by their numbers: the names of the votes are these."""
    place = np.array([int(name) for name in pairs.photos])
    names = tuple(str(number) for number in range(place.max() + 1))
    return Pairs(names, place[pairs.better], place[pairs.worse], pairs.weight, pairs.vote)


def arguments(text: str) -> argparse.Namespace:
    """The command line, which is the same for all."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, what in {
        "biq2021": "the repository BIQ2021",
        "photos": "photos.csv of results/default_models/photos.py",
        "weights": "timm's tf_efficientnet_lite0 as .safetensors; classes are told by it",
        "work": "keeps the statistics of the photos",
    }.items():
        parser.add_argument(f"--{name}", type=Path, required=True, help=what)
    parser.add_argument("--only", nargs="+", metavar="TASTE", help="make the rows of these raters alone anew")
    return parser.parse_args()


def write_rows(rows: pd.DataFrame, place: Path, only: list[str] | None) -> pd.DataFrame:
    """Write a table; of the raters that were not asked for it has the rows that it had."""
    if only and place.exists():
        kept = pd.read_csv(place)
        rows = pd.concat([kept[~kept["target"].isin(only)], rows])
    rows = rows.round(4)
    rows.to_csv(place, index=False)
    return rows
