"""One step: several batches as one, compiled or not, and how near it comes to the chip."""

import csv
import sys

import pytest
import torch

from rankiqa.config import OptimConfig, RankBatchConfig, RankDataConfig, RankLossConfig, RankModelConfig
from rankiqa.errors import InputError
from rankiqa.models import build_model
from rankiqa.training import compiling, throughput
from rankiqa.training.compiling import compiled
from rankiqa.training.log import RunLog
from rankiqa.training.ranking import RankTrainer
from rankiqa.training.throughput import ChipShare, product_rate, training_flops
from tests.training.ranked_runs import settings, weights


class Double(RankTrainer):
    """Ranking in float64, whose step leaves the gradient as it is."""

    def __init__(self, config):
        super().__init__(config)
        self.model.double().eval()
        self.optimizer.step = lambda: None
        self.optimizer.zero_grad = lambda: None

    def batch_scores(self, batch):
        return self.network(batch.pop("images").double() / 255)


def by_hand(model, parts, reduction):
    """The loss of one large batch whose pairs lie inside its parts, pair by pair."""
    scores = model(torch.cat([part["images"] for part in parts]).double() / 255)
    who = [(k, group, level) for k, p in enumerate(parts) for group, level in zip(p["group"], p["level"], strict=True)]
    losses = [
        (1 - (scores[i] - scores[j])).clamp(min=0)
        for i, (part, group, level) in enumerate(who)
        for j, (other, of, worse) in enumerate(who)
        if part == other and group == of and level < worse
    ]
    return sum(losses) / (len(losses) if reduction == "pairs" else len(who))


@pytest.mark.parametrize("reduction", ["pairs", "images"])
def test_the_gradient_of_several_batches_is_that_of_one_large_one(ranks, tmp_path, reduction):
    config = settings(
        ranks,
        tmp_path / "run",
        model=RankModelConfig(name="squeezenet1_1", crop=48, dropout=0.0),
        batch=RankBatchConfig(images=2, groups=1, levels=3),  # of three photos: the last batch of an epoch has half
        loss=RankLossConfig(reduction=reduction),
        optim=OptimConfig(accumulate=3),
    )
    trainer = Double(config)
    parts = [trainer.batches()[step] for step in range(3)]
    assert [len(part["images"]) for part in parts] == [6, 3, 6]
    loss, _, _ = trainer.train_step(*parts)
    found = [parameter.grad.clone() for parameter in trainer.model.parameters()]
    trainer.model.zero_grad()
    expected = by_hand(trainer.model, parts, reduction)
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12) and loss > 0.1
    largest = max(parameter.grad.abs().max() for parameter in trainer.model.parameters())
    for gradient, parameter in zip(found, trainer.model.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-9, atol=1e-12 * float(largest))


def test_a_run_reads_its_batches_in_order_and_goes_on_exactly(ranks, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(RankTrainer, "weight", lambda self, batch: seen.append(batch["level"].tolist()) or 1.0)
    common = {"optim": OptimConfig(lr=0.01, schedule="constant", accumulate=2), "checkpoint_every": 1}
    whole = settings(ranks, tmp_path / "whole", steps=3, **common)
    trainer = RankTrainer(whole)
    trainer.run()
    assert seen == [trainer.batches()[step]["level"].tolist() for step in range(6)]
    broken = settings(ranks, tmp_path / "broken", steps=2, **common)
    RankTrainer(broken).run()
    broken.steps, broken.resume = 3, True
    RankTrainer(broken).run()
    expected, found = weights(tmp_path / "whole"), weights(tmp_path / "broken")
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    broken.optim.accumulate = 1
    with pytest.raises(InputError, match=r"optim\.accumulate is 1, but the run in .* has 2"):
        RankTrainer(broken)
    broken.optim.accumulate = 0
    with pytest.raises(InputError, match=r"optim\.accumulate must be at least 1"):
        broken.check()


def test_where_nothing_compiles_a_run_is_as_without(ranks, tmp_path, monkeypatch, capsys):
    def no_compiler(function, **options):
        def call(*inputs):
            raise RuntimeError("no C++ compiler\nand a long story")

        return call

    RankTrainer(settings(ranks, tmp_path / "plain", steps=2)).run()
    monkeypatch.setattr(torch, "compile", no_compiler)
    RankTrainer(settings(ranks, tmp_path / "run", steps=2, compile=True)).run()
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert notes == ["note: compile is left out, as nothing can be compiled here: no C++ compiler"]
    expected, found = weights(tmp_path / "plain"), weights(tmp_path / "run")
    assert all(torch.equal(expected[key], found[key]) for key in expected)


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info >= (3, 15), reason="PyTorch compiles up to Python 3.14")
def test_a_compiled_run_learns_the_same(ranks, tmp_path):
    found = []
    for name in ("plain", "compiled"):
        config = settings(ranks, tmp_path / name, steps=3, compile=name == "compiled")
        trainer = RankTrainer(config)
        assert (type(trainer.network).__name__ == "OptimizedModule") is config.compile
        before = {key: value.clone() for key, value in trainer.model.backbone.state_dict().items()}
        trainer.run()
        found.append(weights(tmp_path / name))
    moved = max((found[0][key] - before[key]).abs().max() for key in before)
    assert max((found[0][key] - found[1][key]).abs().max() for key in before) < 2**-8 * moved


def test_a_compiled_network_is_one_graph_a_shape(monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "compile", lambda function, **options: asked.append(options) or function)
    network = torch.nn.Identity()
    assert compiled(network, torch.device("cpu")) is network
    assert asked[0] == {"dynamic": False} and asked[1] == {"dynamic": False, "options": {"fallback_random": True}}
    assert compiling._probe(torch.zeros(1)).item() == 1


def test_the_arithmetic_of_vgg16_is_the_known_one():
    # 15.47 billion multiplications and additions forward (Simonyan & Zisserman's network as timm and fvcore count it);
    # backward twice that, less the first layer's gradient by the image: 3·3·3·64·224² multiplications.
    with torch.device("meta"):  # no numbers are needed
        model = build_model("vgg16", crop=224)
    classes = 4096 * (1000 - 1)  # of ImageNet, which one score takes the place of
    forward = 15_470_264_320 - classes
    expected = 2 * (3 * forward - 27 * 64 * 224**2)
    assert training_flops(model, 224, 224) == pytest.approx(expected, rel=1e-6)


def test_what_cannot_be_followed_has_no_number():
    class Looks(torch.nn.Module):
        def forward(self, images):
            return images.mean() * images.max().item()

    assert training_flops(Looks(), 8, 8) != training_flops(Looks(), 8, 8)  # NaN


def test_the_share_is_the_arithmetic_beside_a_product_s(monkeypatch):
    assert product_rate(torch.device("cpu"), torch.float32, side=64) > 0
    monkeypatch.setattr(throughput, "product_rate", lambda device, dtype: 1e9 if dtype == torch.bfloat16 else 1e6)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 1), torch.nn.Flatten(1))
    # A 1×1 convolution: 2·3·5 an image point forward, and as much for its weights; nothing is asked of the image.
    of_image = 2 * 2 * 15 * 16
    share = ChipShare(network, torch.device("cpu"), "bf16")
    share.add(torch.zeros(7, 3, 4, 4))
    share.add(torch.zeros(1, 3, 8, 4))
    assert share.since(0.5) == pytest.approx((7 + 2) * of_image / 0.5e9)
    assert share.since(0.5) == 0


def test_the_share_is_in_the_log_of_a_gpu_and_a_run_may_go_on_elsewhere(ranks, tmp_path, monkeypatch):
    trainer = RankTrainer(settings(ranks, tmp_path / "run", data=RankDataConfig(ranks=str(ranks), workers=0), steps=2))
    monkeypatch.setattr(throughput, "product_rate", lambda device, dtype: 1e12)
    trainer.chip = ChipShare(trainer.model, torch.device("cpu"), "no")
    trainer.run()
    rows = list(csv.DictReader((tmp_path / "run" / "log.csv").open()))
    assert all(0 < float(row["chip_share"]) < 10 for row in rows)
    columns = tuple(name for name in rows[0] if name != "chip_share")
    with RunLog(tmp_path / "run", 1, columns, ("step", "distortion")):
        pass
    (row,) = csv.DictReader((tmp_path / "run" / "log.csv").open())
    assert row == {name: rows[0][name] for name in columns}
