"""train-rank: train a network on ranked images."""

from __future__ import annotations

from collections.abc import Sequence

from rankiqa.cli import guarded


def parse(argv: Sequence[str]):
    """The `RankConfig` of a command line."""
    from rankiqa.cli.settings import parse_settings
    from rankiqa.config import RankConfig

    return parse_settings(argv, RankConfig, "train_rank", "Train a network on ranked images.")


def _train(argv: Sequence[str]) -> int:
    config = parse(argv)
    from rankiqa.cli.settings import train
    from rankiqa.ranking import RankTrainer

    return train(RankTrainer(config))


def main(argv: Sequence[str] | None = None) -> int:
    return guarded(_train, argv)
