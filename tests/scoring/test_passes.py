"""Images that are scored together, as on a GPU, by a processor that takes itself for one."""

import logging

import numpy as np
import pytest
import torch
from PIL import Image

from rankiqa.errors import InputError
from rankiqa.models import build_model
from rankiqa.scoring import passes, patches
from rankiqa.scoring.passes import OUT_OF_MEMORY, Passes, Shown
from rankiqa.scoring.patches import PatchScores, score_files
from rankiqa.scoring.view import View

SIZES = [(70, 90), (64, 100), (70, 90), (90, 70), (70, 90), (64, 100), (33, 40), (70, 90)]


@pytest.fixture
def files(photos, tmp_path):
    """Photos of five sizes in turns, one that is broken and one that is missing."""
    found = []
    for k, (height, width) in enumerate(SIZES):
        found.append(tmp_path / f"{k}.png")
        Image.fromarray(photos["coffee.png"][k * 9 : k * 9 + height, k * 20 : k * 20 + width]).save(found[-1])
    (tmp_path / "broken.png").write_bytes(b"no image")
    return [*found[:3], tmp_path / "broken.png", *found[3:], tmp_path / "missing.png"]


@pytest.fixture
def batches(monkeypatch):
    """The sizes of the passes; from here on images go together."""
    sizes, usual = [], patches.score_batch

    def score_batch(model, batch, device, view):
        assert len({image.shape for image in batch}) == 1
        sizes.append(len(batch))
        return usual(model, batch, device, view)

    monkeypatch.setattr(patches, "score_batch", score_batch)
    monkeypatch.setattr(patches, "together", lambda device, view: True)
    return sizes


@pytest.mark.parametrize("mode", ["random", "resize"])
@pytest.mark.parametrize("pixels", [10**9, 3 * 64 * 64 * 2, 1])
def test_scores_and_their_order_are_those_of_one_by_one(files, request, monkeypatch, mode, pixels):
    torch.manual_seed(0)
    compare(build_model("squeezenet1_1", crop=64), files, View(3, mode), pixels, request, monkeypatch)


@pytest.mark.parametrize("pixels", [10**9, 2 * 70 * 90, 1])
def test_whole_images_too(files, request, monkeypatch, pixels):
    import rankiqa

    compare(rankiqa.load(device="cpu").network, files, View(), pixels, request, monkeypatch)


def compare(model, files, view, pixels, request, monkeypatch):
    alone = list(score_files(model, files, view))
    sizes = request.getfixturevalue("batches")
    monkeypatch.setattr(passes, "PIXELS", pixels)
    found = list(score_files(model, files, view))
    assert sum(sizes) == len(SIZES) and (max(sizes) > 1) == (pixels > 1)
    for path, one, other in zip(files, found, alone, strict=True):
        assert type(one) is type(other), path
        if isinstance(one, InputError):
            assert str(one) == str(other)
            continue
        assert one.size == other.size and one.scores.shape == other.scores.shape
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)
        assert one.std == pytest.approx(other.std, abs=1e-5)


class Device:
    """Scores images by their first pixel, and is out of memory with more than `most`."""

    def __init__(self, most):
        self.most, self.passes = most, []

    def __call__(self, batch):
        self.passes.append(len(batch))
        if len(batch) > self.most:
            raise OUT_OF_MEMORY("CUDA out of memory. Tried to allocate 2.00 GiB")
        return [PatchScores(np.array([float(image[0, 0, 0, 0])])) for image in batch]


def shown(count):
    return [Shown(f"{k}.png", torch.full((1, 3, 10, 10), k, dtype=torch.uint8), (10, 10)) for k in range(count)]


def test_out_of_memory_halves_the_pass_and_is_said_once(monkeypatch, caplog):
    monkeypatch.setattr(passes, "PIXELS", 16 * 100)
    device = Device(most=5)
    with caplog.at_level(logging.WARNING, "rankiqa"):
        found = list(Passes(device, many=True).over(shown(40)))
    assert [score.mean for score in found] == list(range(40))
    assert device.passes == [16, 8, *[4] * 10]
    (record,) = caplog.records
    assert record.getMessage().startswith("note: the device's memory does not hold 16 images at once: 8 from here on")


def test_a_device_that_does_not_hold_one_image_is_one_line(monkeypatch):
    results = Passes(Device(most=0), many=True).over(shown(3))
    with pytest.raises(InputError, match=r"^0\.png: out of memory on the device .* \(device=cpu\)$"):
        list(results)


def test_one_by_one_each_score_comes_before_the_next_image_is_asked_for():
    asked = []

    def images():
        for one in [InputError("bad", path="x"), *shown(3)]:
            asked.append(one)
            yield one

    for count, _ in enumerate(Passes(Device(most=1), many=False).over(images()), 1):
        assert len(asked) == count
