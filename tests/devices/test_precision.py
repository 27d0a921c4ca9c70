"""Scores are computed in true float32, whatever is in force outside, and nothing outside is changed."""

import platform
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import rankiqa
from rankiqa import precision
from rankiqa.cli.images import PRECISIONS
from rankiqa.cli.score import main as score
from rankiqa.config.common import PRECISIONS as of_training
from rankiqa.errors import InputError
from rankiqa.models import build_model
from rankiqa.precision import computing, of_no_use, slow_bf16, unwrapped
from rankiqa.scoring.heatmap import quality_map
from rankiqa.scoring.patches import score_files, score_image
from rankiqa.scoring.scorer import Scorer
from rankiqa.scoring.view import View
from tests.training.ranked_runs import settings

NEW = hasattr(torch.backends.cuda.matmul, "fp32_precision")  # torch ≥ 2.9
EXACT = {"products": False, "convolutions": False, "race": False, "autocast": False}


def in_force(kind="cpu"):
    """What PyTorch would do with a float32 product and convolution on CUDA, and with autocast on the CPU."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    if NEW:
        tf32 = matmul.fp32_precision == "tf32", cudnn.conv.fp32_precision == "tf32"
    else:
        tf32 = matmul.allow_tf32, cudnn.allow_tf32
    return dict(zip(EXACT, (*tf32, cudnn.benchmark, torch.is_autocast_enabled(kind)), strict=True))


@pytest.fixture
def fast(monkeypatch):
    """A program that asks for all that is fast: TF32, algorithms by a race, autocast."""
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    torch.set_float32_matmul_precision("high")
    with torch.autocast("cpu", torch.bfloat16):
        yield in_force()
    torch.set_float32_matmul_precision("highest")


@pytest.fixture
def scorer(monkeypatch):
    """A network that keeps what was in force in each of its passes, in `seen`."""
    torch.manual_seed(0)
    network = build_model("squeezenet1_1", crop=48).eval()
    found = Scorer(network, {}, "random")
    found.seen = []
    network.backbone.features[0].register_forward_hook(lambda *_: found.seen.append(in_force()))
    return found


def seen_by(scorer, act):
    scorer.seen.clear()
    act()
    assert scorer.seen
    return scorer.seen


@pytest.mark.parametrize("way", ["score", "files", "map", "heatmap", "evaluation", "validation"])
def test_every_way_to_a_score_is_exact(fast, scorer, photo, photo_folder, way):
    assert fast == dict.fromkeys(EXACT, True)
    pixels, file = photo[:96, :96], photo_folder / "x.png"
    ways = {
        "score": lambda: scorer.score(pixels, patches=2),
        "files": lambda: list(scorer.score_files([file], patches=2)),
        "map": lambda: scorer.map(pixels),
        "heatmap": lambda: quality_map(scorer, pixels),
        "evaluation": lambda: list(score_files(scorer.network, [file], View(patches=2))),
        "validation": lambda: score_image(scorer.network, pixels, View(patches=1), torch.device("cpu")),
    }
    assert all(seen == EXACT for seen in seen_by(scorer, ways[way]))
    assert in_force() == fast


def test_other_precisions_are_what_they_are_called(scorer, photo):
    pixels, wanted = (
        photo[:96, :96],
        {"tf32": ("products", "convolutions"), "bf16": ("autocast",), "fp16": ("autocast",)},
    )
    scores = {}
    for name in PRECISIONS:
        scorer.network.precision = name
        seen = seen_by(scorer, lambda: scores.update({name: scorer.score(pixels, mode="grid").value}))  # noqa: B023
        assert all(one == EXACT | dict.fromkeys(wanted.get(name, ()), True) for one in seen)
    assert scores["tf32"] == scores["fp32"]  # on a CPU
    assert 0 < abs(scores["bf16"] - scores["fp32"]) < 0.05


def test_settings_come_back_after_an_error(fast):
    with pytest.raises(RuntimeError, match="inside"), computing():
        raise RuntimeError("inside")
    assert in_force() == fast


def test_older_versions_are_set_by_the_older_names(monkeypatch):
    backends = SimpleNamespace(cudnn=SimpleNamespace(allow_tf32=True, benchmark=True))
    products = ["medium"]
    monkeypatch.setattr(precision.torch, "backends", backends)
    monkeypatch.setattr(precision.torch, "get_float32_matmul_precision", lambda: products[-1])
    monkeypatch.setattr(precision.torch, "set_float32_matmul_precision", products.append)
    for name, allowed, word in (("fp32", False, "highest"), ("tf32", True, "high")):
        with computing(name):
            assert (backends.cudnn.allow_tf32, products[-1], backends.cudnn.benchmark) == (allowed, word, False)
        assert (backends.cudnn.allow_tf32, products[-1], backends.cudnn.benchmark) == (True, "medium", True)


@pytest.mark.skipif(not NEW, reason="these are the names since torch 2.9")
@pytest.mark.parametrize("words", [("none", "tf32"), ("tf32", "ieee"), ("ieee", "none")])
def test_what_was_set_by_the_newer_names_comes_back(monkeypatch, words):
    places = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    before = [place.fp32_precision for place in places]
    for place, word in zip(places, words, strict=True):
        place.fp32_precision = word
    for name in ("fp32", "tf32"):
        with computing(name):
            assert in_force()["products"] == in_force()["convolutions"] == (name == "tf32")
            assert torch.backends.cudnn.allow_tf32 == (name == "tf32")  # the older names can be read, and agree
            assert torch.backends.cuda.matmul.allow_tf32 == (name == "tf32")
        assert [place.fp32_precision for place in places] == [*words]
    for place, word in zip(places, before, strict=True):
        place.fp32_precision = word


def test_a_network_in_training_validates_without_the_precision_of_its_steps(ranks, tmp_path):
    """accelerate lays autocast over the forward pass of a network, and there it would be of validations too."""
    from rankiqa.training.ranking import RankTrainer

    trainer = RankTrainer(settings(ranks, tmp_path / "run", precision="bf16"))
    kinds = []
    trainer.model.backbone.features[0].register_forward_hook(lambda *of: kinds.append(of[-1].dtype))
    trainer.train_step(next(iter(batches(trainer))))
    assert kinds == [torch.bfloat16]
    trainer.validate()
    assert len(kinds) > 1 and set(kinds[1:]) == {torch.float32}
    trainer.train_step(next(iter(batches(trainer))))
    assert kinds[-1] == torch.bfloat16


def batches(trainer):
    from rankiqa.training.batches import load_batches

    return load_batches(trainer.batches(), trainer.step, trainer.config.steps, 0)


def test_a_forward_pass_of_someone_else_stays():
    network = nn.Identity()
    network.forward = lambda images: images + 1
    with unwrapped(network):
        assert network(1) == 2


def test_an_unknown_precision_is_refused():
    with pytest.raises(InputError, match="precision must be one of fp32, tf32, bf16, fp16, not 'half'"):
        rankiqa.load(precision="half")


def test_the_choices_of_the_commands_are_those_there_are():
    assert PRECISIONS == precision.PRECISIONS == of_training


@pytest.mark.parametrize("bf16", [True, False])
def test_what_is_no_faster_is_said(monkeypatch, bf16):
    monkeypatch.setattr(precision, "slow_bf16", lambda: not bf16)
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert bool(of_no_use("bf16", cpu)) != bf16
    assert "fp32 is likely" in of_no_use("fp16", cpu) and "on cpu it is fp32" in of_no_use("tf32", cpu)
    assert not of_no_use("fp32", cpu) and not any(of_no_use(name, cuda) for name in PRECISIONS)


@pytest.mark.parametrize(
    "machine, text, slow",
    [
        ("x86_64", "processor: 0\nflags\t\t: fpu avx2 avx512f\n", True),
        ("x86_64", "flags\t\t: fpu avx512f avx512_bf16\n", False),
        ("aarch64", "flags: none\nFeatures\t: fp asimd\n", True),
        ("aarch64", "Features\t: fp asimd bf16\n", False),
        ("riscv64", "isa: rv64\n", False),
        ("x86_64", None, False),
    ],
)
def test_the_processor_says_whether_it_has_bf16(tmp_path, monkeypatch, machine, text, slow):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)
    assert slow_bf16(tmp_path / "cpuinfo") is slow


def test_the_command_says_it_in_one_line_and_scores(capsys, photo_folder):
    assert score([str(photo_folder / "x.png"), "--precision", "tf32", "--device", "cpu", "--csv", "-"]) == 0
    tf32 = capsys.readouterr()
    assert tf32.err.count("\n") == 1 and tf32.err.startswith("note: precision tf32 is of NVIDIA GPUs")
    assert score([str(photo_folder / "x.png"), "--device", "cpu", "--csv", "-"]) == 0
    fp32 = capsys.readouterr()
    assert fp32.err == "" and fp32.out == tf32.out
    number = float(np.float64(fp32.out.splitlines()[1].split(",")[1]))
    assert score([str(photo_folder / "x.png"), "--precision", "bf16", "--device", "cpu", "--csv", "-"]) == 0
    half = float(capsys.readouterr().out.splitlines()[1].split(",")[1])
    assert half != number and half == pytest.approx(number, abs=0.05)
