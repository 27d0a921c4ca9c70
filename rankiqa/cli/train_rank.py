"""train-rank: train a network on ranked images."""

from rankiqa.cli.settings import TrainingCommand

command = TrainingCommand(
    "train_rank", "Train a network on ranked images.", "RankConfig", "rankiqa.ranking:RankTrainer"
)
parse, main = command.parse, command.main
