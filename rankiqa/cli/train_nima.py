"""train-nima: train a NIMA on the distribution of votes."""

from rankiqa.cli.settings import TrainingCommand

command = TrainingCommand(
    "train_nima", "Train a NIMA on the distribution of votes.", "NimaConfig", "rankiqa.nima_training:NimaTrainer"
)
parse, main = command.parse, command.main
