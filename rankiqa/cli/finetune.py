"""finetune: train one branch on human scores."""

from __future__ import annotations

from collections.abc import Sequence

from rankiqa.cli import guarded


def parse(argv: Sequence[str]):
    """The `FinetuneConfig` of a command line."""
    from rankiqa.cli.settings import parse_settings
    from rankiqa.config import FinetuneConfig

    return parse_settings(argv, FinetuneConfig, "finetune", "Fine-tune one branch on human scores.")


def _train(argv: Sequence[str]) -> int:
    config = parse(argv)
    from rankiqa.cli.settings import train
    from rankiqa.finetuning import FineTuner

    return train(FineTuner(config))


def main(argv: Sequence[str] | None = None) -> int:
    return guarded(_train, argv)
