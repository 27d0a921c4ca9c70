"""Experiment 2: efficient Siamese batches, random pairs and hard negatives, by the ranking loss on other photos.

Each way sees the same number of images a step, for each distortion type by itself and for all types together.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from rankiqa.config import RankBatchConfig, RankConfig
from rankiqa.errors import InputError
from rankiqa.experiments.output import figure_of, markdown_table, save_figure
from rankiqa.files import write_atomically
from rankiqa.images.crops import crop_at, random_place
from rankiqa.losses import pair_statistics, pairwise_hinge
from rankiqa.ranks.ranked_set import RankedSet
from rankiqa.seeding import generator
from rankiqa.training.batches import load_batches
from rankiqa.training.ranking import RankTrainer
from rankiqa.training.samplers import make_sampler

LABELS = {"efficient": "efficient Siamese", "random_pairs": "random pairs", "hard_negatives": "hard negatives"}
JOINT = "all types"


def batch_settings(sampler: str, photos: int, types: int, levels: int) -> RankBatchConfig:
    """A batch of photos × types × levels images, whichever way it is drawn; a third of the hard candidates are kept."""
    pairs = photos * types * levels // 2
    return RankBatchConfig(sampler=sampler, images=photos, pairs=pairs, keep=max(1, pairs // 3))


def fixed_crops(ranks: RankedSet, crop: int, seed: int) -> dict[str, torch.Tensor]:
    """One crop of each image, always the same: images (N, 3, crop, crop) uint8, group and level (N,).

    A photo's levels have their crop at one place, and its pristine image stands in each type.
    """
    images, group, level = [], [], []
    for reference in ranks.references:
        pristine = ranks.image(reference, ranks.distortions[0], 0)
        top, left = random_place(pristine, crop, generator(seed, "test", reference))
        for kind, distortion in enumerate(ranks.distortions):
            for k in ranks.levels[distortion]:
                images.append(crop_at(ranks.image(reference, distortion, k), top, left, crop))
                group.append(kind)
                level.append(k)
    stack = torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2))
    return {"images": stack, "group": torch.tensor(group), "level": torch.tensor(level)}


@torch.no_grad()
def held_out_loss(trainer: RankTrainer, test: dict[str, torch.Tensor]) -> dict[str, float]:
    """The mean hinge loss over all ordered pairs of the test crops, and the share of pairs that is in order."""
    device, model = trainer.accelerator.device, trainer.model
    model.eval()
    parts = [model(part.to(device).float().div_(255)).float().cpu() for part in test["images"].split(32)]
    model.train()
    scores, margin = torch.cat(parts), trainer.config.loss.margin
    loss = pairwise_hinge(scores, test["group"], test["level"], margin, "pairs").item()
    return {"test_loss": loss, "ordered": pair_statistics(scores, test["group"], test["level"], margin).ordered}


def only(ranks: RankedSet, distortion: str) -> RankedSet:
    """The images of one distortion type, and the pristine ones."""
    return replace(ranks, table=ranks.table[ranks.table["distortion"].isin([distortion, "pristine"])])


def curve(config: RankConfig, distortion: str, test_set: RankedSet, every: int) -> list[dict]:
    """Train for `config.steps`; the numbers of `held_out_loss` before the first step and after each `every`."""
    trainer = RankTrainer(config)
    if distortion != JOINT:
        assert isinstance(trainer.train_set, RankedSet)  # of the source "ranks"
        trainer.train_set = only(trainer.train_set, distortion)
        trainer.sampler = make_sampler(config.batch, trainer.train_set, config.seed)
        test_set = only(test_set, distortion)
    test = fixed_crops(test_set, trainer.model.crop, config.seed)
    rows = [{"step": 0, **held_out_loss(trainer, test)}]
    trainer.model.train()
    for batch in load_batches(trainer.batches(), 0, config.steps, config.data.workers):
        trainer.train_step(batch)
        if trainer.step % every == 0 or trainer.step == config.steps:
            rows.append({"step": trainer.step, **held_out_loss(trainer, test)})
    return rows


def run(
    config: RankConfig,
    test_ranks: str | Path,
    out: str | Path,
    *,
    samplers: Sequence[str] = tuple(LABELS),
    photos: int = 1,
    every: int = 20,
    test_photos: int | None = None,
    command: str = "",
) -> pd.DataFrame:
    """Train each way on `config.data.ranks`, test on `test_ranks`, write curves.csv, sampling.png and sampling.md.

    Args:
        config: model, loss, optimizer, steps and seed of every training; its batch is set here.
        test_ranks: a ranked set of other photos with the same types.
        out: folder of the results.
        samplers: the ways to compare, of `LABELS`.
        photos: photos of each type in a joint batch; a batch of one type has as many images, of more photos.
        every: steps between two tests.
        test_photos: so many of the test set's photos; None takes all.
        command: the command line, for the table.

    Returns:
        Columns network, types, sampler, step, test_loss, ordered.
    """
    out = Path(out)
    train, test = RankedSet.read(config.data.ranks or ""), RankedSet.read(test_ranks)
    if train.distortions != test.distortions:
        raise InputError(f"has the types {', '.join(test.distortions)}, not those of {train.folder}", path=test_ranks)
    if shared := {p.sha256 for p in train.photos.values()} & {p.sha256 for p in test.photos.values()}:
        raise InputError(f"shares {len(shared)} photos with {train.folder}", path=test_ranks, cure="test on others")
    test = test.select(test.references[:test_photos])
    types, levels = len(train.distortions), max(map(len, train.levels.values()))
    rows = []
    for distortion in (*train.distortions, JOINT):
        for sampler in samplers:
            joint = distortion == JOINT
            batch = batch_settings(sampler, photos if joint else photos * types, types if joint else 1, levels)
            name = f"{config.model.name}-{distortion.replace(' ', '_')}-{sampler}"
            with tempfile.TemporaryDirectory() as scratch:  # a trainer's folder; the curve is all that is kept
                setting = replace(config, batch=batch, out=scratch)
                found = curve(setting, distortion, test, every)
            rows += [{"network": config.model.name, "types": distortion, "sampler": sampler, **row} for row in found]
            last = found[-1]
            print(
                f"{name}: test loss {last['test_loss']:.4f}, ordered {last['ordered']:.2%}", file=sys.stderr, flush=True
            )
    table = pd.DataFrame(rows)
    write_atomically(out / "curves.csv", table.to_csv(index=False, lineterminator="\n", float_format="%.6g").encode())
    draw([out / "curves.csv"], out / "sampling.png")
    write_atomically(out / "sampling.md", report(table, command).encode())
    return table


def report(table: pd.DataFrame, command: str) -> str:
    """Markdown: the test loss and the share of ordered pairs at the last step, and the mean loss over the curve."""
    last = table[table["step"] == table["step"].max()]
    mean = table[table["step"] > 0].groupby(["network", "types", "sampler"], sort=False)["test_loss"].mean()
    rows = [
        (
            row.network,
            row.types,
            LABELS[row.sampler],
            f"{row.test_loss:.4f}",
            f"{row.ordered:.2%}",
            f"{mean[row.network, row.types, row.sampler]:.4f}",
        )
        for row in last.itertuples()
    ]
    head = ["network", "types", "sampling", "test loss at the end", "ordered pairs", "mean test loss of the curve"]
    steps = int(table["step"].max())
    return f"# Sampling\n\n    {command}\n\nAfter {steps} steps.\n\n{markdown_table(head, rows)}"


def draw(files: Sequence[Path], path: Path) -> None:
    """Test loss against steps: a row of panels a network (a curves.csv each), a panel a type, a line a way."""
    tables = [pd.read_csv(file) for file in files]
    types = list(dict.fromkeys(tables[0]["types"]))
    figure, axes = figure_of(len(tables), len(types), width=2.7, height=2.5)
    for line, table in zip(axes, tables, strict=True):
        for axis, kind in zip(line, types, strict=True):
            for colour, (sampler, label) in zip(("C0", "C1", "C2"), LABELS.items(), strict=True):
                rows = table[(table["types"] == kind) & (table["sampler"] == sampler)]
                axis.plot(rows["step"], rows["test_loss"], color=colour, label=label, linewidth=1.5)
            axis.set_title(f"{table['network'].iloc[0]}: {kind}", fontsize=9)
            axis.set_ylim(bottom=0)
    figure.supxlabel("step", fontsize=9)
    figure.supylabel("test ranking loss", fontsize=9)
    figure.legend(
        *axes[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False, fontsize=9
    )
    save_figure(figure, path)
