"""A device that there is not: tensors in the memory of the CPU that say they are on a GPU, and obey its rules.

A mixed device is an error, as on a real one; so are NumPy's hands on its memory. The numbers are real, so whole stages
run, with their `.item()`, their files and their validations. What PyTorch does inside of one of its functions is not
looked at, nor what other threads do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

REAL = bool(os.environ.get("RANKIQA_TEST_GPU"))
MARK = "pretends"  # an attribute of the tensors that are on the device
# What gives the same where the tensors are on two devices: their metadata, copies from one to the other.
FREE = {
    "_has_compatible_shallow_copy_type",
    "copy_",
    "set_",
    "result_type",
    "is_same_size",
    "type_as",
    "expand_as",
    "view_as",
    "reshape_as",
}
# What takes no number of the CPU's beside tensors of the device, not even a 0-dimensional tensor.
STRICT = {"cat", "stack", "concat", "conv2d", "linear", "matmul", "__matmul__", "mm", "bmm", "batch_norm", "embedding"}


def on_device(tensor: Any) -> bool:
    return isinstance(tensor, Tensor) and MARK in tensor.__dict__


class Pretend(TorchFunctionMode):
    """Inside it there is one device of `kind`, "cuda" or "mps", beside the CPU."""

    def __init__(self, kind: str = "cuda") -> None:
        super().__init__()
        self.device = torch.device(kind, 0)

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name in ("__get__", "__set__"):
            return self._attribute(func, name, args)
        if name in ("numpy", "__array__", "__array_wrap__") and on_device(args[0]):
            raise TypeError(f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() first")
        if name in ("cpu", "cuda", "to") and isinstance(args[0], Tensor):
            return self._moved(func, name, args, kwargs)
        if name == "get_device":
            return 0 if on_device(args[0]) else -1
        here = self._common(name, args, kwargs)
        if (target := kwargs.get("device")) is not None:
            here, kwargs["device"] = self._told(target)
            generator = kwargs.get("generator")
            if here and generator is not None:
                raise RuntimeError(f"Expected a '{self.device.type}' device type for generator but found 'cpu'")
        return self._marked(func(*args, **kwargs), here, given=args)

    def _told(self, device: Any) -> tuple[bool, Any]:
        """Whether it is this device, and where its numbers are."""
        return (True, "cpu") if torch.device(device).type == self.device.type else (False, device)

    def _attribute(self, func: Callable, name: str, args: tuple) -> Any:
        here = on_device(args[0])
        what = getattr(func.__self__, "__name__", "")  # of the descriptor
        if name == "__set__":
            if what == "grad" and isinstance(args[1], Tensor) and on_device(args[1]) != here:
                raise RuntimeError("assigned grad has data located on a different device")
            func(*args)
            return self._mark(args[0], on_device(args[1])) if what == "data" else None
        if what == "device" and here:
            return self.device
        if what in ("is_cuda", "is_mps", "is_cpu"):
            return what == f"is_{self.device.type if here else 'cpu'}"
        return self._marked(func(*args), here, given=args)

    def _moved(self, func: Callable, name: str, args: tuple, kwargs: dict) -> Tensor:
        """`.to` and its like: a copy where the device changes."""
        source, *rest = args
        here = on_device(source)
        if name != "to":
            here, rest = name == "cuda", []
            func = torch.Tensor.to
        elif rest and isinstance(rest[0], Tensor):
            here = on_device(rest[0])
        elif rest and isinstance(rest[0], (str, int, torch.device)):
            here, rest[0] = self._told(rest[0])
        elif kwargs.get("device") is not None:
            here, kwargs["device"] = self._told(kwargs["device"])
        if not rest and not kwargs:
            rest = ["cpu"]
        found = func(source, *rest, **kwargs)
        return self._mark(found.clone() if found is source and here != on_device(source) else found, here)

    def _common(self, name: str, args: tuple, kwargs: dict) -> bool:
        """Whether the result of a function is on the device; an error where its tensors are on two."""
        if name == "__deepcopy__":  # its memo holds others
            args = args[:1]
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        marked = [on_device(tensor) for tensor in tensors]
        if not any(marked):
            return False
        if name in FREE:
            return marked[0]
        if name in ("__getitem__", "__setitem__"):  # a place may be told from the CPU
            others = tensors[1:] if name == "__getitem__" else _values(args)
            if not marked[0] or (name == "__setitem__" and any(o.ndim and not on_device(o) for o in others)):
                raise self._mixed(name, tensors)
            return True
        away = [t for t, mark in zip(tensors, marked, strict=True) if not mark and (t.ndim or name in STRICT)]
        # A number of the device's beside tensors of the CPU is an error too, and so is a result that the CPU holds.
        if away or (name.endswith("_") and not name.endswith("__") and not marked[0]):
            raise self._mixed(name, tensors)
        return True

    def _mixed(self, name: str, tensors: Iterable[Tensor]) -> RuntimeError:
        found = ", ".join(f"{[*t.shape]} on {self.device if on_device(t) else 'cpu'}" for t in tensors)
        return RuntimeError(f"{name}: expected all tensors to be on the same device, got {found}")

    def _marked(self, result: Any, here: bool, given: tuple = ()) -> Any:
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and not any(leaf is one for one in given):
                self._mark(leaf, here)
        return result

    def _mark(self, tensor: Tensor, here: bool) -> Tensor:
        tensor.__dict__.pop(MARK, None)
        if here:
            if self.device.type == "mps" and tensor.dtype == torch.float64:
                raise TypeError("Cannot convert a MPS Tensor to float64 dtype: the framework doesn't support float64")
            tensor.__dict__[MARK] = True
        return tensor


def _values(args: tuple) -> list[Tensor]:
    """The tensors that are written into a place told by tensors or lists; a slice takes a copy from anywhere."""
    place = args[1] if isinstance(args[1], tuple) else (args[1],)
    told = any(not isinstance(part, (int, slice, type(None), type(...))) for part in place)
    return [args[2]] if told and isinstance(args[2], Tensor) else []


@contextmanager
def pretending(monkeypatch, kind: str = "cuda"):
    """There is a device, and everything that asks for one finds it: `pick_device`, accelerate.

    With `RANKIQA_TEST_GPU` set it is a real one; a test of another kind is skipped then.
    """
    from accelerate import Accelerator

    if REAL:
        if kind != "cuda" or not torch.cuda.is_available():
            pytest.skip(f"there is no {kind} device")
        yield SimpleNamespace(device=torch.device("cuda", 0))
        return
    with monkeypatch.context() as patch, Pretend(kind) as mode:
        patch.setattr("rankiqa.scoring.device._count", lambda name: int(name in ("cpu", kind)))
        patch.setattr(Accelerator, "device", property(lambda self: mode.device))
        # There is nothing to wait for, nor a rate to measure.
        patch.setattr(torch.cuda, "synchronize", lambda *_: None)
        patch.setattr("rankiqa.training.throughput.product_rate", lambda *_: 1e12)
        yield mode


@contextmanager
def on_cpu(monkeypatch):
    """What trains inside trains on the CPU, on a machine with a GPU too."""
    from accelerate import Accelerator

    with monkeypatch.context() as patch:
        patch.setattr(Accelerator, "device", property(lambda self: torch.device("cpu")))
        yield
