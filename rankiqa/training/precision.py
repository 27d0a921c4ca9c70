"""What a run computes in, as the setting `precision` names it; the process is left as it was.

fp32 is true float32 everywhere. PyTorch's own default is not: on NVIDIA GPUs its convolutions round their factors to
TF32, 10 bits of mantissa in place of 23, while its matrix products do not.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from rankiqa.errors import InputError
from rankiqa.extras import extra

with extra("train"):
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

CPU_INFO = Path("/proc/cpuinfo")
_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # of x86, of x86's matrix unit, of Arm


def make_accelerator(precision: str | None) -> Accelerator:
    """The devices of a run, which computes as `precision` says; None: as accelerate was launched.

    What is allowed and of no use on this machine is said on standard error, once, by the main process.

    Raises:
        InputError: the device cannot compute so.
    """
    mixed = "no" if precision in ("fp32", "tf32") else precision
    # Accelerate keeps the first run's choice for the life of the process, which may train another one.
    if mixed is not None and AcceleratorState._shared_state and AcceleratorState().mixed_precision != mixed:
        AcceleratorState._reset_state()
    try:
        accelerator = Accelerator(mixed_precision=mixed)
    except (ValueError, ImportError) as error:
        if precision is None:
            raise
        why = " ".join(str(error).split())
        raise InputError(f"precision {precision}: {why}", cure="give", options=("precision=fp32",)) from error
    line = of_no_use(precision or accelerator.mixed_precision, accelerator.device)
    if line and accelerator.is_main_process:
        print(f"note: {line}", file=sys.stderr)
    return accelerator


def of_no_use(precision: str, device: torch.device) -> str | None:
    """Why `precision` brings nothing on `device`; None where it does, or where nothing is known of it."""
    if precision == "tf32" and device.type != "cuda":
        return f"precision tf32 is of NVIDIA GPUs: on {device.type} it is fp32"
    if precision == "bf16" and device.type == "cpu" and slow_bf16():
        return "precision bf16: this processor has no instructions for it, so fp32 is likely to be faster"
    return None


def slow_bf16(info: Path = CPU_INFO) -> bool:
    """Whether Linux says of the processor that it lacks bf16; False where it says nothing."""
    flags = "Features" if platform.machine().startswith(("arm", "aarch")) else "flags"
    try:
        lines = [line for line in info.read_text(encoding="utf-8").splitlines() if line.startswith(flags)]
    except OSError:
        return False
    return bool(lines) and not _BF16_FLAGS & set(lines[0].split())


@contextmanager
def computing(precision: str | None) -> Iterator[None]:
    """For a while, the convolutions and matrix products of float32 in TF32 (`precision` tf32) or in true float32.

    And cuDNN measures which of its algorithms is the fastest: the shapes of a training are few, and come often. What
    was set before is set again at the end.
    """
    benchmark = torch.backends.cudnn.benchmark
    before = _old_switches(), [place.fp32_precision for place in _new_switches()]
    allowed = precision == "tf32"
    _switch((allowed, allowed), ["tf32" if allowed else "ieee"] * len(_new_switches()))
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        _switch(*before)
        torch.backends.cudnn.benchmark = benchmark


def _new_switches() -> list[Any]:
    """Where PyTorch 2.9 and newer say what float32 is computed in: convolutions, recurrent layers, products."""
    cudnn = torch.backends.cudnn
    return [cudnn.conv, cudnn.rnn, torch.backends.cuda.matmul] if hasattr(cudnn, "conv") else []


def _old_switches() -> tuple[bool, bool]:
    """Whether cuDNN, and matrix products, may use TF32, as all versions say it."""
    found = []
    for backend, default in ((torch.backends.cudnn, True), (torch.backends.cuda.matmul, False)):
        try:
            found.append(backend.allow_tf32)
        except RuntimeError:  # the new switches alone were used, and say something else
            found.append(default)
    return found[0], found[1]


def _switch(old: tuple[bool, bool], new: list[str]) -> None:
    """Set both kinds, the old ones first, as they set the new ones too: PyTorch raises where the two disagree."""
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = old
    for place, value in zip(_new_switches(), new, strict=True):
        place.fp32_precision = value
