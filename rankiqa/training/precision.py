"""What a run computes in, as the setting `precision` names it; the process is left as it was.

fp32 is true float32 everywhere. PyTorch's own default is not: on NVIDIA GPUs its convolutions round their factors to
TF32, 10 bits of mantissa in place of 23, while its matrix products do not.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from rankiqa.errors import InputError
from rankiqa.extras import extra
from rankiqa.precision import float32, of_no_use

with extra("train"):
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState


def make_accelerator(precision: str | None) -> Accelerator:
    """The devices of a run, which computes as `precision` says; None: as accelerate was launched.

    What is allowed and of no use on this machine is said on standard error, once, by the main process.

    Raises:
        InputError: the device cannot compute so.
    """
    mixed = "no" if precision in ("fp32", "tf32") else precision
    wanted = mixed or os.environ.get("ACCELERATE_MIXED_PRECISION", "no")  # which accelerate's launcher sets
    # Accelerate keeps the first run's choice for the life of the process, which may train another one.
    if AcceleratorState._shared_state and AcceleratorState().mixed_precision != wanted:
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


@contextmanager
def computing(precision: str | None) -> Iterator[None]:
    """For a while, the convolutions and matrix products of float32 in TF32 (`precision` tf32) or in true float32.

    And cuDNN measures which of its algorithms is the fastest: the shapes of a training are few, and come often. What
    was set before is set again at the end.
    """
    benchmark = torch.backends.cudnn.benchmark
    with float32(tf32=precision == "tf32"):
        torch.backends.cudnn.benchmark = True
        try:
            yield
        finally:
            torch.backends.cudnn.benchmark = benchmark
