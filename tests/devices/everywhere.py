"""Any test as on a machine with a GPU: `python -m pytest -p tests.devices.everywhere tests/training/test_nima.py`."""

import pytest

from tests.devices.pretend import pretending


@pytest.fixture(autouse=True)
def _a_device(monkeypatch):
    with pretending(monkeypatch):
        yield
