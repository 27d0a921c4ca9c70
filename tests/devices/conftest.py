"""What the walks share with other tests: ranked images, and a small network."""

from unittest import mock

import pytest

from rankiqa.models.build import ARCHITECTURES, Architecture
from tests.scoring.conftest import Unpadded
from tests.training.conftest import ranks  # noqa: F401


@pytest.fixture(scope="session", autouse=True)
def topped():
    """`build_model("topped")`: its top is taken for more than a mean, so that windows are copied one by one."""
    with mock.patch.dict(ARCHITECTURES, topped=Architecture(Unpadded, "head", 64, "imagenet", stride=16)):
        yield
