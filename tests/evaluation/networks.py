"""A network whose scores can be told beforehand, and the rows of a summary by their types."""

from torch import nn


class Brightness(nn.Module):
    crop = 16

    def __init__(self, sign=1.0, low=0.0):
        super().__init__()
        self.sign, self.low = sign, low

    def forward(self, x):
        return self.sign * x.mean((1, 2, 3)).clamp(min=self.low)


def tables(summary):
    return {row["type"]: row for row in summary["tables"]}
