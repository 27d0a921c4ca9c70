"""What a run computes in: named, said where it is of no use, and gone when it ends."""

import pytest
import torch

from rankiqa.config import RankConfig
from rankiqa.errors import InputError
from rankiqa.precision import of_no_use
from rankiqa.training import precision
from rankiqa.training.precision import computing, make_accelerator
from rankiqa.training.ranking import RankTrainer
from tests.training.ranked_runs import settings, weights

CUDA, CPU = torch.device("cuda"), torch.device("cpu")


def flags():
    """As PyTorch's own readers tell it, which raise where two ways of saying it disagree."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    return cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark, torch.get_float32_matmul_precision()


@pytest.fixture(autouse=True)
def _as_it_was():
    before = flags()
    yield
    assert flags() == before


@pytest.mark.parametrize("name, allowed", [("fp32", False), ("tf32", True), ("bf16", False), (None, False)])
def test_float32_is_what_the_setting_says_for_a_while(name, allowed):
    with computing(name):
        assert flags() == (allowed, allowed, True, "high" if allowed else "highest")
        with computing("fp32"):
            assert flags()[:2] == (False, False)
        assert flags()[:2] == (allowed, allowed)


@pytest.mark.skipif(not hasattr(torch.backends.cudnn, "conv"), reason="PyTorch before 2.9 has one way of saying it")
@pytest.mark.parametrize("name", ["fp32", "tf32"])
def test_a_choice_made_in_the_new_way_is_taken_over_and_given_back(name):
    places = torch.backends.cudnn.conv, torch.backends.cudnn.rnn, torch.backends.cuda.matmul
    before = [place.fp32_precision for place in places]
    try:
        for place, value in zip(places, ("ieee", "tf32", "tf32"), strict=True):
            place.fp32_precision = value
        with pytest.raises(ValueError, match="stop"), computing(name):
            assert {place.fp32_precision for place in places} == {"ieee" if name == "fp32" else "tf32"}
            raise ValueError("stop")
        assert [place.fp32_precision for place in places] == ["ieee", "tf32", "tf32"]
    finally:
        for place, value in zip(places, before, strict=True):
            place.fp32_precision = value


def test_a_run_computes_as_its_setting_says(ranks, tmp_path, monkeypatch):
    seen = []
    step = RankTrainer.train_step
    monkeypatch.setattr(RankTrainer, "train_step", lambda self, batch: (seen.append(flags()[0]), step(self, batch))[1])
    found = []
    for name in ("fp32", "tf32", None):  # on a CPU all are true float32
        RankTrainer(settings(ranks, tmp_path / str(name), steps=1, precision=name)).run()
        found.append(weights(tmp_path / str(name)))
    assert seen == [False, True, False]
    assert all(torch.equal(value, other[key]) for other in found[1:] for key, value in found[0].items())


def test_a_run_may_follow_one_of_another_precision_in_a_process(monkeypatch):
    try:
        for name, mixed in (("bf16", "bf16"), ("fp32", "no"), ("fp16", "fp16"), ("tf32", "no"), ("bf16", "bf16")):
            assert make_accelerator(name).mixed_precision == mixed
        assert make_accelerator(None).mixed_precision == "no"  # not what the run before it had
        monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")  # as accelerate's launcher does
        assert make_accelerator(None).mixed_precision == "bf16"
    finally:
        make_accelerator("fp32")


def test_a_device_that_cannot_is_one_line(monkeypatch):
    def refuse(mixed_precision):
        raise ValueError("bf16 mixed precision requires\na supported device.")

    monkeypatch.setattr(precision, "Accelerator", refuse)
    monkeypatch.setattr(precision.AcceleratorState, "_reset_state", lambda: None)
    with pytest.raises(InputError, match=r"^precision bf16: bf16 mixed precision requires a supported device\.; give"):
        make_accelerator("bf16")


def test_what_is_of_no_use_is_said_once(monkeypatch, capsys):
    assert of_no_use("tf32", CUDA) is of_no_use("bf16", CUDA) is of_no_use("fp32", CPU) is None
    monkeypatch.setattr("rankiqa.precision.slow_bf16", lambda: True)
    try:
        make_accelerator("bf16")
    finally:
        make_accelerator("fp32")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("note: precision bf16: this processor has no instructions for it")
    assert "on cpu it is fp32" in of_no_use("tf32", CPU)


def test_no_is_called_fp32_now():
    with pytest.raises(InputError, match=r"precision no has the name fp32 now; give .*precision=fp32"):
        RankConfig(precision="no").check()
    with pytest.raises(InputError, match="precision must be one of none, fp32, tf32, bf16, fp16; got 'half'"):
        RankConfig(precision="half").check()
