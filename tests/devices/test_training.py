"""Each stage trains, validates and saves on a device as on the CPU, and nothing is mixed on the way."""

import dataclasses

import pytest
import torch
from safetensors.torch import load_file

from rankiqa.config import JudgeConfig, OptimConfig, RankBatchConfig, RankDataConfig
from rankiqa.training.finetuning import FineTuner
from rankiqa.training.joint import JointTrainer
from rankiqa.training.nima import NimaTrainer
from rankiqa.training.ranking import RankTrainer
from rankiqa.training.siamese_nima import SiameseNimaTrainer
from tests.devices.pretend import REAL, on_cpu, pretending
from tests.training import ranked_runs, test_finetuning, test_joint, test_nima, test_siamese_nima
from tests.training.test_finetuning import scored
from tests.training.test_joint import both, people
from tests.training.test_nima import voted
from tests.training.test_siamese_nima import labelled, nima

__all__ = ["both", "labelled", "nima", "people", "scored", "voted"]  # fixtures

SHORT = {"steps": 2, "checkpoint_every": 2}


@pytest.fixture(autouse=True)
def _no_curves(monkeypatch):
    monkeypatch.setattr("rankiqa.training.loop.write_curves", lambda run: None)


@pytest.fixture
def stages(request):
    """Name of a stage → its trainer and its settings, for a run in a folder."""

    def ranking(out, **changes):
        ranks = request.getfixturevalue("ranks")
        return RankTrainer, ranked_runs.settings(ranks, out, **SHORT | changes)

    def joint(out):
        given = request.getfixturevalue("ranks"), request.getfixturevalue("both")
        return JointTrainer, test_joint.settings(*given, out, **SHORT)

    def finetuning(out):
        return FineTuner, test_finetuning.settings(request.getfixturevalue("scored"), out, **SHORT)

    def of_votes(out):
        return NimaTrainer, test_nima.settings(request.getfixturevalue("voted"), out, **SHORT)

    def siamese(out):
        given = request.getfixturevalue("labelled"), request.getfixturevalue("nima")
        return SiameseNimaTrainer, test_siamese_nima.settings(*given, out, **SHORT)

    def judged(out):
        pristine = str(request.getfixturevalue("ranks").parent / "photos")
        data = RankDataConfig(source="online", pristine=pristine, distortions="GB,GN", holdout=1, workers=0)
        return ranking(out, data=data, judge=JudgeConfig(kind="mdsi", sample=4, where="device"))

    averaged = OptimConfig(kind="adam", lr=0.01, schedule="constant", clip=1.0, average=0.9)
    return {
        "ranking": ranking,
        "ranking by Adam, with averaged weights": lambda out: ranking(out, optim=averaged),
        "ranking with a judge on the device": judged,
        "hard negatives": lambda out: ranking(out, batch=RankBatchConfig(sampler="hard_negatives", pairs=6, keep=2)),
        "accumulated": lambda out: ranking(out, optim=OptimConfig(accumulate=2, clip=1.0)),
        "joint": joint,
        "fine-tuning": finetuning,
        "NIMA": of_votes,
        "Siamese NIMA": siamese,
    }


ON_CUDA = (
    "ranking",
    "ranking by Adam, with averaged weights",
    "ranking with a judge on the device",
    "joint",
    "fine-tuning",
    "NIMA",
    "Siamese NIMA",
)
ON_MPS = ("ranking", "joint", "NIMA")  # where something is in float64


def run(make, out):
    trainer, settings = make(out)
    if not getattr(settings, "init", None):  # devices draw other numbers for dropout
        settings = dataclasses.replace(settings, model=dataclasses.replace(settings.model, dropout=0.0))
    trained = trainer(settings)
    rows = trained.run()
    return trained, rows, load_file(out / "model" / "model.safetensors")


@pytest.mark.parametrize("stage, kind", [*((s, "cuda") for s in ON_CUDA), *((s, "mps") for s in ON_MPS)])
def test_a_run_is_that_of_the_cpu(monkeypatch, tmp_path, stages, stage, kind):
    with on_cpu(monkeypatch):
        _, wanted_rows, wanted = run(stages[stage], tmp_path / "cpu")
    with pretending(monkeypatch, kind) as mode:
        trainer, rows, found = run(stages[stage], tmp_path / "device")
        assert next(trainer.model.parameters()).device == mode.device
    assert rows.keys() == wanted_rows.keys()
    for key, row in wanted_rows.items():
        assert rows[key] == pytest.approx(row, nan_ok=True, abs=0.05 if REAL else 1e-4)
    # Adam divides by roots of tiny squares; a real device sums in another order.
    near = {"rtol": 1e-2, "atol": 1e-3} if REAL else {"rtol": 1e-4, "atol": 1e-5 if "Adam" in stage else 1e-6}
    torch.testing.assert_close(found, wanted, **near)
