import pytest

from tests.evaluation.networks import Brightness


@pytest.fixture
def model(monkeypatch):
    """`model(network, config)` makes the commands load that network."""

    def use(network, **config):
        monkeypatch.setattr("rankiqa.evaluation.run.load_model", lambda folder, device: (network, config))

    monkeypatch.setattr("rankiqa.models.locate.find_model", lambda folder: folder)  # there is none on disk
    use(Brightness())
    return use
