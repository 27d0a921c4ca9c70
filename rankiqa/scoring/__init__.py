"""From a network and an image to a score, a map or a loss."""

from rankiqa.scoring.view import View

__all__ = ["View"]
