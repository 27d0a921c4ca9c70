r"""From the weights of a training to a model of the package: half precision, scale, percentiles, and its card.

python results/default_models/bundle.py default --state WORK/default.safetensors --biq2021 DIR --work DIR \
    --pristine DIR --clic DIR --steps 3000
"""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sources import Photos, Scenes

from rankiqa.images import builtin_photos
from rankiqa.images.photos import pixels_sha256
from rankiqa.images.reading import read_image
from rankiqa.models import RankModel, build_model, load_model, save_model
from rankiqa.models.build import read_weights
from rankiqa.models.bundled import BUNDLED
from rankiqa.models.efficientnet_lite import NAME
from rankiqa.models.model_card import model_card
from rankiqa.models.reference import Reference
from rankiqa.models.statistics import HumanScale
from rankiqa.scoring.scorer import Scorer
from rankiqa.training.monotone_map import fit_scale

HERE = Path(__file__).parent
MOST_MOVED = 1e-3  # of the range: how far half precision may move a score
# The stage, what trained it, and the photos of the percentiles, in words.
STORY = {
    "default": ("joint", "results/default_models/train.py, then refit.py", "photos of BIQ2021, not learned from"),
    "ranks": ("rank", "results/default_models/train.py --people 0, then refit.py --people 0", "photos of BIQ2021"),
}


def main() -> int:
    """Write the folder of one model; 1 if half precision moves its scores too far."""
    options = _options()
    if options.card:
        _write_card(options.name, options.out or BUNDLED[options.name])
        return 0
    human = options.name == "default"
    photos = Photos.read(options.biq2021, options.work, "val")
    paths = [photos.folder / name for name in photos.names]
    raw = _scores(_network(options.state, None), paths)
    scale = fit_scale(raw, photos.mos) if human else None
    if human and scale is None:
        raise SystemExit(f"{options.state}: the network gives all photos one score")
    model = _network(options.state, scale)
    stage, command, what = STORY[options.name]
    reference = _reference(raw, scale, what, None if human else (model, Scenes.read(options.work, "val")))
    folder = options.out or BUNDLED[options.name]
    save_model(
        model,
        folder,
        training_photos=_training_photos(options, human),
        score_range=(scale.low, scale.high) if scale else None,
        finetuned_on={
            "dataset": "biq2021",
            "split": "official",
            "native_range": [0.0, 1.0],
            "native_higher_is_better": True,
        }
        if human
        else None,
        provenance={
            "command": f"{command} (see results/default_models/README.md)",
            "stage": stage,
            "steps": options.steps,
            "versions": {name: importlib.metadata.version(name).split("+")[0] for name in ("rankiqa", "torch")},
        },
        reference=reference.config(),
        half=True,
    )
    _write_card(options.name, folder)
    size = sum(path.stat().st_size for path in folder.iterdir())
    moved = _moved(model, folder, reference)
    print(f"{folder}: {size / 1e6:.2f} MB; half precision moves scores by {moved:.1e} of their range at most")
    return int(moved > MOST_MOVED)


def _write_card(name: str, folder: Path) -> None:
    _, settings = load_model(folder)
    card = model_card(
        *(settings, Reference.from_config(settings["reference"])),
        license="apache-2.0",
        repo_id=name,
        written=_sections((HERE / f"{name}.md").read_text(encoding="utf-8")),
    )
    (folder / "README.md").write_text(card, encoding="utf-8")


def _options() -> argparse.Namespace:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parse.add_argument
    add("name", choices=list(BUNDLED))
    add("--state", required=True, type=Path, help=".safetensors in float32, as refit.py writes it")
    add("--biq2021", required=True, type=Path)
    add("--work", required=True, type=Path)
    add("--pristine", required=True, type=Path, help="folder with train/, as crops.py takes it")
    add("--clic", required=True, type=Path)
    add("--steps", required=True, type=int, help="of the training")
    add("--card", action="store_true", help="write the card anew, from NAME.md, and nothing else")
    add("--out", type=Path, help="folder (default: that of the package)")
    return parse.parse_args()


def _network(path: Path, scale: HumanScale | None) -> RankModel:
    tensors = read_weights(path)
    hidden = len(tensors["hidden.bias"])
    head: dict[str, Any] = {"kind": "statistics", "hidden": hidden, "drop_inputs": 0.5}
    return build_model(NAME, str(path), head={**head, "scale": None if scale is None else vars(scale)}).eval()


def _scores(model: RankModel, paths: list[Path]) -> np.ndarray:
    scorer = Scorer(model, {}, "float32")
    return np.array([scorer.score(path).value for path in paths])


def _reference(
    raw: np.ndarray, scale: HumanScale | None, what: str, ranked: tuple[RankModel, Scenes] | None
) -> Reference:
    """Percentiles of the scores; `ranked`: whose crops are the ends of a scale that people did not make."""
    scores = torch.from_numpy(raw)
    found = Reference.of_scores((scale(scores) if scale else scores).numpy(), what)
    if ranked is None:
        return found
    model, scenes = ranked
    items, of_crops = [], []
    with torch.inference_mode():
        for row in range(len(scenes)):
            images = torch.from_numpy(scenes.images(row)).permute(0, 3, 1, 2).float() / 255
            of_crops += model(images).flatten().tolist()
            # Strengths above .8 of a type's reach are its strongest.
            levels = np.ceil(scenes.level[row] * 5).astype(int)
            items += [(str(row), kind, int(level)) for kind, level in zip(scenes.types[row], levels, strict=True)]
    ends = Reference.of_ranks(items, np.array(of_crops), "")
    return Reference(found.what, found.images, found.quantiles, ends.low, ends.high)


def _training_photos(options: argparse.Namespace, human: bool) -> dict[str, str]:
    """SHA-256 of the pixels → name, of the photos that ranks were made of; BIQ2021's only for ranks alone."""
    named = {f"cid22/{path.stem}": path for path in sorted((options.pristine / "train").glob("*.png"))}
    named |= {f"clic2025/{path.stem[:12]}": path for path in sorted(options.clic.glob("*.png"))}
    if not human:
        good = (options.work / "good.txt").read_text(encoding="utf-8").splitlines()
        named |= {f"biq2021/{Path(name).stem}": options.biq2021 / "Images" / name for name in good}
    return {pixels_sha256(read_image(path, convert=True)): name for name, path in named.items()}


def _sections(text: str) -> dict[str, str]:
    """Title → what stands under it, of Markdown with titles of the second order."""
    parts = ("\n" + text).split("\n## ")[1:]
    return {title.strip(): body.strip() for title, _, body in (part.partition("\n") for part in parts)}


def _moved(model: RankModel, folder: Path, reference: Reference) -> float:
    """How far the scores of photos move by half precision, as a share of their range."""
    before, after = Scorer(model, {}, "float32"), Scorer.load(folder, "cpu")
    low, high = after.settings["score_range"] or (reference.quantiles[5], reference.quantiles[95])
    photos = [builtin_photos.folder() / name for name in builtin_photos.PHOTOS]
    found = [abs(before.score(photo).value - after.score(photo).value) for photo in photos]
    return max(found) / (high - low)


if __name__ == "__main__":
    sys.exit(main())
