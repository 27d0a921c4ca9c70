"""A step sends its batch ahead and waits for nothing: what is read of the device is read where a line is logged."""

from __future__ import annotations

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from rankiqa.training import batches
from rankiqa.training.loop import Trainer
from tests.devices.pretend import REAL, on_device, pretending
from tests.devices.test_training import ON_CUDA, _no_curves, both, labelled, nima, people, run, scored, stages, voted

__all__ = ["_no_curves", "both", "labelled", "nima", "people", "scored", "stages", "voted"]  # fixtures

# What the host has to wait for, as its answer is a number, or a tensor whose size hangs on numbers.
ANSWERS = {"item", "tolist", "cpu", "numpy", "__array__", "__bool__", "__int__", "__float__", "__index__"}
SIZES = {"nonzero", "masked_select", "unique", "equal", "allclose"}


class Waits(TorchFunctionMode):
    """Notes, while it is `armed`, what waits for the device, and the kind of images that are sent there."""

    def __init__(self) -> None:
        super().__init__()
        self.armed, self.found, self.sent = False, [], set()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs, name = kwargs or {}, getattr(func, "__name__", "")
        here = any(on_device(leaf) for leaf in tree_leaves((args, kwargs)))
        before = args[0] if args else None
        result = func(*args, **kwargs)
        if self.armed and name != "__get__":
            masked = name == "__getitem__" and any(
                isinstance(part, torch.Tensor) and part.dtype == torch.bool for part in tree_leaves(args[1])
            )
            if here and (name in ANSWERS | SIZES or masked):
                self.found.append(name)
            if name in ("to", "cuda") and on_device(result) != on_device(before) and before.ndim:
                if not kwargs.get("non_blocking"):
                    self.found.append(f"{name} of {[*before.shape]}")
                if before.ndim == 4:
                    self.sent.add(before.dtype)
        return result


@pytest.mark.skipif(REAL, reason="of a pretended device alone it is known what waits")
@pytest.mark.parametrize("stage", [*ON_CUDA, "hard negatives", "accumulated"])
def test_a_step_waits_for_nothing(monkeypatch, tmp_path, stages, stage):
    usual, waits = Trainer.train_step, Waits()

    def step(self, *parts):
        waits.armed = True
        try:
            return usual(self, *parts)
        finally:
            waits.armed = False

    monkeypatch.setattr(Trainer, "train_step", step)
    with pretending(monkeypatch), waits:
        run(stages[stage], tmp_path / "device")
    if "judge" in stage:  # piq looks at the range of the images, and the processor ranks what it says
        assert {"__bool__", "cpu"} <= set(waits.found)
    else:
        assert not waits.found
    assert waits.sent == {torch.uint8}


def test_batches_are_pinned_where_there_is_a_gpu(monkeypatch):
    """For a copy from other memory waits for it."""
    asked = {}

    def loader(data, **options):
        asked.update(options)
        return iter(())

    monkeypatch.setattr(batches, "DataLoader", loader)
    for there in (True, False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert not list(batches.load_batches({}, 0, 1, 0))
        assert asked["pin_memory"] is there
