"""train-siamese-nima: sharpen a NIMA on pairs of images."""

from rankiqa.cli.settings import TrainingCommand

command = TrainingCommand(
    "train_siamese_nima",
    "Sharpen a NIMA on pairs of images from buckets of scores.",
    "SiameseNimaConfig",
    "rankiqa.siamese_nima_training:SiameseNimaTrainer",
)
parse, main = command.parse, command.main
