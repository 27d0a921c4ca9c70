"""In which precision a network computes: true float32, unless something else is asked for.

By itself PyTorch takes convolutions on a GPU in TF32, which keeps 10 bits of a fraction where float32 has 23, and cuDNN
chooses algorithms by racing them where a program asks for it. Scores differ by thousandths then from those of a
processor; in true float32 they agree but for the order of sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from rankiqa.errors import InputError

FP32, TF32, BF16, FP16 = PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
HIGHEST = "highest"  # float32 is float32, as PyTorch calls it
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
        stack.enter_context(_float32(precision == TF32))
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
def _float32(tf32: bool) -> Iterator[None]:
    """Float32 products and convolutions as they are named, or on CUDA in TF32."""
    switches = _switches(tf32)
    before = [(place, name, getattr(place, name)) for place, name, _ in switches]
    # One setting of matrix products on all devices, which moves others; unreadable where they contradict it.
    try:
        products = torch.get_float32_matmul_precision()
    except RuntimeError:
        products = HIGHEST
    try:
        if products != HIGHEST:
            torch.set_float32_matmul_precision(HIGHEST)
        for place, name, value in switches:
            setattr(place, name, value)
        yield
    finally:
        if products != HIGHEST:
            torch.set_float32_matmul_precision(products)
        for place, name, value in before:
            setattr(place, name, value)


def _switches(tf32: bool) -> list[tuple[Any, str, Any]]:
    """(where, attribute, value) of what decides about TF32, by the PyTorch that is installed.

    Since 2.9 it refuses to tell by the old names what was set by the new ones.
    """
    backends: Any = torch.backends
    matmul, cudnn, mkldnn = backends.cuda.matmul, backends.cudnn, backends.mkldnn
    if not hasattr(matmul, "fp32_precision"):
        return [(matmul, "allow_tf32", tf32), (cudnn, "allow_tf32", tf32)]
    on_cuda = "tf32" if tf32 else "ieee"
    places = [(matmul, on_cuda), (cudnn.conv, on_cuda), (mkldnn.matmul, "ieee"), (mkldnn.conv, "ieee")]
    return [(place, "fp32_precision", value) for place, value in places]


@contextmanager
def unwrapped(model: nn.Module) -> Iterator[None]:
    """The network's own forward, where accelerate has laid one in mixed precision over it for training."""
    forward = model.__dict__.pop("forward") if "_original_forward" in model.__dict__ else None
    try:
        yield
    finally:
        if forward is not None:
            model.forward = forward


def slow(precision: str, device: torch.device) -> str:
    """A line for the user where a precision saves nothing on a device; else empty."""
    if precision == TF32 and device.type != "cuda":
        return f"precision tf32 is of CUDA devices: on this {device.type} it is fp32"
    if precision in _HALVES and device.type == "cpu" and not (precision == BF16 and _cpu_has_bf16()):
        return f"precision {precision}: this processor has no arithmetic of its own for it, so fp32 is faster"
    return ""


def _cpu_has_bf16() -> bool:
    """Whether the processor multiplies in bfloat16; False where PyTorch cannot tell."""
    names = "_is_avx512_bf16_supported", "_is_amx_tile_supported"
    return any(getattr(torch.cpu, name, lambda: False)() for name in names)
