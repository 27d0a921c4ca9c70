"""From the weights of a training to a model of the package: half precision, scale, percentiles, and its card.

python results/default_models/bundle.py default --state final_default.safetensors --facts facts.json --scores photos.csv
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from rankiqa.images import builtin_photos
from rankiqa.models import RankModel, build_model, load_model, save_model
from rankiqa.models.build import read_weights
from rankiqa.models.bundled import BUNDLED
from rankiqa.models.efficientnet_lite import NAME
from rankiqa.models.model_card import model_card
from rankiqa.models.reference import Reference, read_reference
from rankiqa.scoring.scorer import Scorer

HERE = Path(__file__).parent
MOST_MOVED = 1e-3  # of the range: how far half precision may move a score


def main() -> int:
    """Write the folder of one model; 1 if half precision moves its scores too far."""
    options = _options()
    facts = json.loads(options.facts.read_text(encoding="utf-8"))
    model = _network(options.state, facts.get("scale"))
    reference = _reference(options, facts, model)
    folder = options.out or BUNDLED[options.name]
    human = facts.get("scale")
    save_model(
        model,
        folder,
        training_photos=facts["training_photos"],
        score_range=(human["low"], human["high"]) if human else None,
        finetuned_on=facts.get("finetuned_on"),
        provenance=facts["provenance"],
        reference=reference.config(),
        half=True,
    )
    _, settings = load_model(folder)
    card = model_card(
        *(settings, reference),
        license="apache-2.0",
        repo_id=options.name,
        written=_sections((HERE / f"{options.name}.md").read_text(encoding="utf-8")),
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    size = sum(path.stat().st_size for path in folder.iterdir())
    moved = _moved(model, folder, reference)
    print(f"{folder}: {size / 1e6:.2f} MB; half precision moves scores by {moved:.1e} of their range at most")
    return int(moved > MOST_MOVED)


def _options() -> argparse.Namespace:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parse.add_argument
    add("name", choices=list(BUNDLED))
    add("--state", required=True, type=Path, help=".safetensors in float32: net.* (timm's names), centre, spread, "
        "hidden.*, output.*")  # fmt: skip
    add("--facts", required=True, type=Path, help="JSON: scale (low, high, slope, offset; null for ranks alone), "
        "training_photos, finetuned_on and provenance, as config.json has them, and what: the images of --scores in "
        "words")  # fmt: skip
    add("--scores", required=True, type=Path, help="CSV with a column score: what the network gives real photos before "
        "the scale")  # fmt: skip
    add("--ranked", type=Path, help="scores.csv of an evaluation on ranks, for the ends of a scale without people: "
        "strongest distortions 0, pristine photos 1")  # fmt: skip
    add("--out", type=Path, help="folder (default: that of the package)")
    return parse.parse_args()


def _network(path: Path, scale: dict[str, float] | None) -> RankModel:
    tensors = read_weights(path)
    head = {"kind": "statistics", "hidden": len(tensors["hidden.bias"]), "drop_inputs": 0.5, "scale": scale}
    model = build_model(NAME, str(path), head=head)
    return model.eval()


def _reference(options: argparse.Namespace, facts: dict[str, Any], model: RankModel) -> Reference:
    scores = torch.tensor(pd.read_csv(options.scores)["score"].to_numpy(np.float64))
    scale: Any = model.backbone.scale
    found = Reference.of_scores((scale(scores) if scale else scores).numpy(), facts["what"])
    if found is None:
        raise SystemExit(f"{options.scores}: fewer than two scores")
    if options.ranked is None:
        return found
    ends = read_reference(options.ranked, "")
    return Reference(found.what, found.images, found.quantiles, ends.low, ends.high)


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
