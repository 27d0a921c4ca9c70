"""train-siamese-nima: sharpen a NIMA on pairs of images."""

from rankiqa.cli.settings import TrainingCommand

_EXAMPLES = """\
examples:
  rankiqa train-siamese-nima --config train/configs/siamese_nima.yaml --init runs/nima --data labels.csv \\
    --images photos/ --out runs/siamese
  rankiqa train-siamese-nima --out runs/siamese --resume

On several devices: bash train/train_siamese_nima.sh, with the same flags.
"""
command = TrainingCommand(
    "rankiqa train-siamese-nima",
    "Sharpen a NIMA on pairs of images from buckets of scores.",
    "SiameseNimaConfig",
    "rankiqa.training.siamese_nima:SiameseNimaTrainer",
    _EXAMPLES,
)
parse, main, _parser = command.parse, command.main, command.parser
