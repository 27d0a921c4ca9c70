"""train-rank: train a network on ranked images."""

from rankiqa.cli.settings import TrainingCommand

_EXAMPLES = """\
examples:
  rankiqa train-rank --config train/configs/quick.yaml --data.ranks ranks/live --out runs/quick
  rankiqa train-rank --config train/configs/rank_live_squeezenet.yaml --data.ranks ranks/train --out runs/squeezenet
  rankiqa train-rank --out runs/quick --resume

On several devices: bash train/train_rank.sh, with the same flags.
"""
command = TrainingCommand(
    "rankiqa train-rank",
    "Train a network on ranked images.",
    "RankConfig",
    "rankiqa.training.ranking:RankTrainer",
    _EXAMPLES,
)
parse, main, _parser = command.parse, command.main, command.parser
