"""eval-experiments: the three experiments of the paper, with their figures."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from rankiqa.cli import HelpFormatter, guarded

_EXAMPLES = """\
examples:
  rankiqa eval-experiments levels --model runs/live_vgg16 --ranks ranks/val --out results/levels
  rankiqa eval-experiments sampling --config train/configs/quick.yaml --ranks ranks/train --test ranks/val \\
    --out results/sampling
  rankiqa eval-experiments networks --config train/configs/finetune_squeezenet.yaml --dataset live --root LIVE \\
    --network squeezenet1_1=runs/rank=imagenet --out results/networks
  rankiqa eval-experiments figure --curves results/sampling --out results
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return guarded(_run, argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rankiqa eval-experiments",
        description="The paper's three experiments: do the levels separate (levels), which way of drawing pairs learns "
        "fastest (sampling), what does the ranking stage bring (networks). rankiqa eval-experiments NAME --help tells "
        "the options of each.",
        epilog=_EXAMPLES,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    experiments = parser.add_subparsers(dest="experiment", required=True, metavar="levels | sampling | networks")

    def experiment(name: str, summary: str):
        added = experiments.add_parser(
            name,
            help=summary,
            description=summary,
            allow_abbrev=False,
            epilog=_EXAMPLES,
            formatter_class=HelpFormatter,
        )
        added.add_argument("--out", required=True, help="folder of the figure, the table and the numbers")
        return added.add_argument

    add = experiment("levels", "histograms of the scores at every level, for each type, by networks trained on ranks")
    add("--model", nargs="+", required=True, help="ranking runs or models")
    add("--ranks", required=True, help="ranked set of photos that they were not trained on")
    add("--patches", type=int, default=30, help="crops of each image")
    add("--seed", type=int, default=0, help="of the crops")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")

    add = experiment("sampling", "test ranking loss against steps: efficient batches, random pairs, hard negatives")
    add("--config", required=True, help="ranking recipe: model, loss, optimizer (its batch is not used)")
    add("--ranks", required=True, help="ranked set to train on")
    add("--test", required=True, help="ranked set of other photos, of the same types")
    add("--network", help="in place of the recipe's model.name")
    add("--weights", help="in place of the recipe's model.weights")
    add("--steps", type=int, default=200, help="of each training")
    add("--every", type=int, default=20, help="steps between two tests")
    add("--photos", type=int, default=1, help="photos of each type in a batch of all types")
    add("--test-photos", type=int, default=10, help="of the test set")
    add("--lr", type=float, help="in place of the recipe's optim.lr; it stays constant")
    add("--seed", type=int, default=0, help="of weights, batches and crops")

    add = experiment("networks", "networks fine-tuned with and without the ranking stage, on the same splits")
    add("--config", required=True, help="fine-tuning recipe: loss, batch, optimizer, steps")
    add("--network", nargs="+", required=True, metavar="NAME=RUN=WEIGHTS", help="architecture, its ranking run, and "
        "the weights without it: imagenet, none or a .safetensors file")  # fmt: skip
    add("--dataset", required=True, help="tid2013, live, csiq, kadid10k, ava, biq2021, koniq10k, spaq, clive, flive, "
        "flive_patches, tid2008, pipal, agiqa3k or csv")  # fmt: skip
    add("--root", required=True, help="folder of the data set")
    add("--split", default="random", help="random, or a published split by its name")
    add("--repeats", type=int, default=1, help="splits, if they are random")
    add("--steps", type=int, help="in place of the recipe's")
    add("--patches", type=int, default=30, help="crops of each test image")
    add("--seed", type=int, default=0, help="of weights, batches and crops")

    add = experiment("figure", "draw the curves of several sampling experiments, a row of panels each")
    add("--curves", nargs="+", required=True, help="their folders")
    return parser


def _run(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    from rankiqa.extras import need

    need("train", "matplotlib")  # for the figures, at the end
    command = shlex.join(["rankiqa", "eval-experiments", *argv])
    {"levels": _levels, "sampling": _sampling, "networks": _networks, "figure": _figure}[options.experiment](
        options, command
    )
    print(f"results: {options.out}")
    return 0


def _levels(options: argparse.Namespace, command: str) -> None:
    from rankiqa.models.locate import find_model
    from rankiqa.ranks.manifest import check_manifest
    from rankiqa.scoring.device import check_device

    check_device(options.device)
    for model in options.model:
        find_model(model)
    check_manifest(options.ranks)

    from rankiqa.evaluation.options import EvaluationOptions
    from rankiqa.experiments import levels
    from rankiqa.scoring.view import View

    view = View(patches=options.patches, seed=options.seed)
    how = EvaluationOptions(view, device=options.device, progress=True, command=command)
    levels.run(options.model, options.ranks, options.out, how)


def _sampling(options: argparse.Namespace, command: str) -> None:
    from dataclasses import replace

    from rankiqa.cli.train_rank import parse
    from rankiqa.config import at_least
    from rankiqa.ranks.manifest import check_manifest

    for name in ("steps", "every", "photos", "test_photos"):
        at_least(f"--{name.replace('_', '-')}", getattr(options, name), 1)
    config = parse(["--config", options.config])
    config = replace(
        config,
        data=replace(config.data, ranks=options.ranks, source="ranks", holdout=0, holdout_names=[], val=None),
        model=replace(
            config.model,
            name=options.network or config.model.name,
            weights=options.weights or config.model.weights,
        ),
        optim=replace(config.optim, lr=options.lr or config.optim.lr, schedule="constant"),
        steps=options.steps,
        seed=options.seed,
    )
    config.check()
    for ranks in (options.ranks, options.test):
        check_manifest(ranks)
    _check_network(config.model.name, config.model.weights)

    from rankiqa.experiments import sampling

    sampling.run(
        config,
        options.test,
        options.out,
        photos=options.photos,
        every=options.every,
        test_photos=options.test_photos,
        command=command,
    )


def _check_network(name: str, weights: str) -> None:
    from rankiqa.models.locate import check_weights
    from rankiqa.models.names import check_name

    check_name(name)
    check_weights(weights)


def _networks(options: argparse.Namespace, command: str) -> None:
    from dataclasses import replace

    from rankiqa.cli.finetune import parse
    from rankiqa.datasets.places import check_place
    from rankiqa.errors import InputError
    from rankiqa.models.locate import find_model

    named = {}
    for text in options.network:
        parts = text.split("=")
        if len(parts) != 3 or not all(parts):
            raise InputError(
                f"--network must be NAME=RUN=WEIGHTS, such as vgg16=runs/rank_vgg16=imagenet, not {text!r}"
            )
        named[parts[0]] = (parts[1], parts[2])
    if options.repeats < 1:
        raise InputError(f"--repeats must be at least 1, got {options.repeats}")
    if options.repeats > 1 and options.split != "random":
        raise InputError(f"--repeats needs --split random: {options.split} is one split")
    config = parse(["--config", options.config])
    config = replace(
        config,
        dataset=options.dataset,
        root=options.root,
        split=options.split,
        steps=options.steps or config.steps,
        seed=options.seed,
    )
    check_place(options.dataset, options.root)
    for name, (run, weights) in named.items():
        _check_network(name, weights)
        find_model(run)

    from rankiqa.experiments import networks

    networks.run(config, named, options.out, repeats=options.repeats, patches=options.patches, command=command)


def _figure(options: argparse.Namespace, command: str) -> None:
    from rankiqa.errors import InputError

    files = [Path(folder) / "curves.csv" for folder in options.curves]
    for file in files:
        if not file.is_file():
            raise InputError("no such file", path=file, cure="rankiqa eval-experiments sampling writes it")
    from rankiqa.experiments import sampling

    sampling.draw(files, Path(options.out) / "sampling.png")
