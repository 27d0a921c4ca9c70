"""RankIQA in PyTorch: make ranked images, train on the ranks, calibrate, score, report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from rankiqa.version import __version__ as __version__

if TYPE_CHECKING:
    from pathlib import Path

    from rankiqa.scoring.quality_loss import QualityLoss
    from rankiqa.scoring.scorer import Scorer


@overload
def load(
    model: str | Path | None = None,
    device: str = "auto",
    as_loss: Literal[False] = False,
    precision: str = "fp32",
    **hub: Any,
) -> Scorer: ...
@overload
def load(
    model: str | Path | None = None,
    device: str = "auto",
    *,
    as_loss: Literal[True],
    precision: str = "fp32",
    **hub: Any,
) -> QualityLoss: ...
@overload
def load(
    model: str | Path | None = None,
    device: str = "auto",
    as_loss: bool = False,
    precision: str = "fp32",
    **hub: Any,
) -> Scorer | QualityLoss: ...
def load(
    model: str | Path | None = None,
    device: str = "auto",
    as_loss: bool = False,
    precision: str = "fp32",
    **hub: Any,
) -> Scorer | QualityLoss:
    """Load a model that scores images.

    Args:
        model: a model folder, a training run, or OWNER/NAME of the Hugging Face hub; or a model that comes with the
            package: "default" (None as well), whose scores are people's, or "ranks", which has seen no human score.
        device: auto (CUDA if there is any, else MPS, else the CPU), cpu, cuda, cuda:N or mps.
        as_loss: give a `rankiqa.scoring.quality_loss.QualityLoss`, a differentiable torch module, in place of a
            `rankiqa.scoring.scorer.Scorer`.
        precision: in which a `Scorer` computes: "fp32", true float32 on every device, "tf32", "bf16" or "fp16"; see
            `rankiqa.precision.computing`. A loss has the precision of the training around it.
        hub: revision, cache_dir, token, force_download and local_files_only, of a model on the hub.

    Raises:
        rankiqa.errors.InputError: no such model, a damaged one, no such device, or no such precision.
    """
    from rankiqa.scoring.scorer import Scorer

    scorer = Scorer.load(model, device, precision, **hub)
    if not as_loss:
        return scorer
    from rankiqa.scoring.quality_loss import QualityLoss

    return QualityLoss(scorer)
