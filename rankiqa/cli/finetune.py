"""finetune: train one branch on human scores."""

from rankiqa.cli.settings import TrainingCommand

_EXAMPLES = """\
examples:
  rankiqa finetune --config train/configs/finetune_live_vgg16.yaml --init runs/live_vgg16 --root LIVE --out runs/live_ft
  rankiqa finetune --config train/configs/finetune_squeezenet.yaml --init runs/rank --dataset csv --root photos/ \\
    --data.labels scores.csv --split random --out runs/mine
  rankiqa finetune --out runs/mine --resume

On several devices: bash train/finetune.sh, with the same flags.
"""
command = TrainingCommand(
    "rankiqa finetune",
    "Fine-tune one branch on human scores.",
    "FinetuneConfig",
    "rankiqa.training.finetuning:FineTuner",
    _EXAMPLES,
)
parse, main, _parser = command.parse, command.main, command.parser
