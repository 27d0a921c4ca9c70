"""train-nima: train a NIMA on the distribution of votes."""

from rankiqa.cli.settings import TrainingCommand

_EXAMPLES = """\
examples:
  rankiqa train-nima --config train/configs/nima_ava.yaml --root AVA --out runs/nima
  rankiqa train-nima --config train/configs/nima_squeezenet.yaml --dataset csv --root photos/ --data.labels votes.csv \\
    --split random --out runs/nima
  rankiqa train-nima --out runs/nima --resume

On several devices: bash train/train_nima.sh, with the same flags.
"""
command = TrainingCommand(
    "rankiqa train-nima",
    "Train a NIMA on the distribution of votes.",
    "NimaConfig",
    "rankiqa.training.nima:NimaTrainer",
    _EXAMPLES,
)
parse, main, _parser = command.parse, command.main, command.parser
