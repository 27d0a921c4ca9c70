"""train-joint: train a network on ranked images and human scores at once."""

from rankiqa.cli.settings import TrainingCommand

_EXAMPLES = """\
examples:
  rankiqa train-joint --config train/configs/joint_efficientnet.yaml --data.pristine photos/ --sets.root BIQ2021 \\
    --out runs/joint
  rankiqa train-joint --config train/configs/joint_quick.yaml --data.ranks ranks/live --out runs/both \\
    --sets '[{dataset: csv, root: scored/, labels: scored/scores.csv}, {dataset: live, root: LIVE}]'
  rankiqa train-joint --out runs/joint --resume

On several devices: bash train/train_joint.sh, with the same flags.
"""
command = TrainingCommand(
    "rankiqa train-joint",
    "Train a network on ranked images and human scores at once.",
    "JointConfig",
    "rankiqa.training.joint:JointTrainer",
    _EXAMPLES,
)
parse, main, _parser = command.parse, command.main, command.parser
