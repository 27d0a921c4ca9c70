"""The ranked images and the small runs of the training's tests."""

from tests.training.conftest import ranks  # noqa: F401
