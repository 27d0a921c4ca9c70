"""finetune: train one branch on human scores."""

from rankiqa.cli.settings import TrainingCommand

command = TrainingCommand(
    "finetune", "Fine-tune one branch on human scores.", "FinetuneConfig", "rankiqa.finetuning:FineTuner"
)
parse, main = command.parse, command.main
