"""Whether ONNX runtime scores sooner than PyTorch, told without importing it where the answer is no."""

from __future__ import annotations

from rankiqa.extras import need
from rankiqa.integrations.graph_cache import graph_of
from rankiqa.models.parts import statistics_of
from rankiqa.precision import FP32
from rankiqa.scoring.scorer import Scorer

FEW, MANY = 30, 300  # photos from which a graph pays that is there, and one that must be made


def pays(scorer: Scorer, photos: int) -> bool:
    """Whether ONNX runtime scores so many photos sooner than PyTorch, with all that its start takes.

    It does on the CPU, for networks that end in statistics of their stages (results/benchmarks/runtime.py).

    Raises:
        MissingExtra: it would, but is not installed.
    """
    network = scorer.network
    if scorer.device.type != "cpu" or network.precision != FP32 or statistics_of(network) is None or photos < FEW:
        return False
    need("onnx", "onnx", "onnxruntime")
    return photos >= MANY or graph_of(network).exists()
