"""In which precision a network computes: true float32, unless something else is asked for.

By itself PyTorch takes convolutions on a GPU in TF32, which keeps 10 bits of a fraction where float32 has 23, and cuDNN
chooses algorithms by racing them where a program asks for it. Scores differ by thousandths then from those of a
processor; in true float32 they agree but for the order of sums.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rankiqa.errors import InputError

CPU_INFO = Path("/proc/cpuinfo")
_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # of x86, of x86's matrix unit, of Arm
FP32, TF32, BF16, FP16 = PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
_HALVES = {BF16: torch.bfloat16, FP16: torch.float16}


def check_precision(precision: str) -> str:
    """`precision` itself.

    Raises:
        InputError: it is none of `PRECISIONS`.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
    return precision


@contextmanager
def computing(precision: str = FP32, kind: str = "cpu") -> Iterator[None]:
    """What is computed inside has this precision; afterwards PyTorch's settings are what they were.

    cuDNN chooses no algorithm by a race inside. The settings are the process's, not the thread's.

    Args:
        precision: "fp32": true float32, whatever autocast or TF32 is in force outside. "tf32": matrix products and
            convolutions on CUDA in TF32; on other devices float32. "bf16", "fp16": under `torch.autocast`.
        kind: of the device, such as "cuda".

    Raises:
        InputError: an unknown precision.
    """
    half = _HALVES.get(check_precision(precision))
    with ExitStack() as stack:
        stack.enter_context(float32(precision == TF32))
        stack.callback(setattr, torch.backends.cudnn, "benchmark", torch.backends.cudnn.benchmark)
        torch.backends.cudnn.benchmark = False
        if half is not None:
            stack.enter_context(torch.autocast(kind, half))
        elif _autocasts(kind):
            stack.enter_context(torch.autocast(kind, enabled=False))
        yield


def _autocasts(kind: str) -> bool:
    try:
        return torch.is_autocast_enabled(kind)
    except RuntimeError:  # a device that autocast does not know
        return False


@contextmanager
def float32(tf32: bool = False) -> Iterator[None]:
    """For a while, float32 products and convolutions are what they are named, or with `tf32` in TF32 on CUDA."""
    on_cuda = "tf32" if tf32 else "ieee"
    before = _old_switches(), [place.fp32_precision for place in _new_switches()]
    try:
        _switch((tf32, "high" if tf32 else "highest"), [on_cuda] * 3 + ["ieee"] * 2)
        yield
    finally:
        _switch(*before)


def _old_switches() -> tuple[bool, str]:
    """Whether cuDNN may use TF32, and how precise products are; PyTorch's defaults where it refuses to tell.

    Since 2.9 it refuses where the new switches were set and say something else.
    """
    found: list[Any] = [True, "highest"]
    for k, read in enumerate((lambda: torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision)):
        with suppress(RuntimeError):
            found[k] = read()
    return found[0], found[1]


def _new_switches() -> list[Any]:
    """Where PyTorch 2.9 and newer say what float32 is computed in: three of CUDA, two of processors."""
    backends: Any = torch.backends
    if not hasattr(backends.cudnn, "conv"):
        return []
    on_cuda = [backends.cudnn.conv, backends.cudnn.rnn, backends.cuda.matmul]
    return [*on_cuda, backends.mkldnn.conv, backends.mkldnn.matmul]


def _switch(old: tuple[bool, str], new: list[str]) -> None:
    """Set both kinds, the old ones first, as they set the new ones too: PyTorch raises where the two disagree."""
    torch.backends.cudnn.allow_tf32 = old[0]
    torch.set_float32_matmul_precision(old[1])
    for place, value in zip(_new_switches(), new, strict=False):
        place.fp32_precision = value


@contextmanager
def unwrapped(model: nn.Module) -> Iterator[None]:
    """The network's own forward, where accelerate has laid one in mixed precision over it for training."""
    forward = model.__dict__.pop("forward") if "_original_forward" in model.__dict__ else None
    try:
        yield
    finally:
        if forward is not None:
            model.forward = forward


def at_float64(device: torch.device) -> torch.device:
    """Where float64 of what is on a device is computed: there, but for Apple's MPS, which has none, on the CPU."""
    return torch.device("cpu") if device.type == "mps" else device


def of_no_use(precision: str, device: torch.device) -> str | None:
    """Why `precision` brings nothing on `device`; None where it does, or where nothing is known of it."""
    if precision == TF32 and device.type != "cuda":
        return f"precision tf32 is of NVIDIA GPUs: on {device.type} it is fp32"
    if device.type == "cpu" and (precision == FP16 or (precision == BF16 and slow_bf16())):
        return f"precision {precision}: this processor has no instructions for it, so fp32 is likely to be faster"
    return None


def slow_bf16(info: Path = CPU_INFO) -> bool:
    """Whether Linux says of the processor that it lacks bf16; False where it says nothing."""
    flags = "Features" if platform.machine().startswith(("arm", "aarch")) else "flags"
    try:
        lines = [line for line in info.read_text(encoding="utf-8").splitlines() if line.startswith(flags)]
    except OSError:
        return False
    return bool(lines) and not _BF16_FLAGS & set(lines[0].split())
