import pytest

from tests.evaluation.networks import Brightness


@pytest.fixture
def model(monkeypatch):
    """`model(network, config)` makes the commands load that network."""

    def use(network, **config):
        monkeypatch.setattr("rankiqa.evaluation.run.load_model", lambda folder, device: (network, config))

    use(Brightness())
    return use
