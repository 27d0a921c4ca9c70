"""For torch.hub: `torch.hub.load(DIR, "rankiqa", source="local")` of a clone in DIR."""

from __future__ import annotations

# What must be importable for scoring; the package itself need not be installed.
dependencies = ["torch", "torchvision", "numpy", "PIL", "timm", "safetensors", "huggingface_hub"]


def rankiqa(model: str | None = None, device: str = "auto", as_loss: bool = False):
    """A model that scores images: `.score(path | Pillow image | array | tensor)`, higher is better.

    model: a model folder, a training run, or OWNER/NAME of the Hugging Face hub; None: the one that comes along.
    device: auto, cpu, cuda or cuda:N.
    as_loss: a differentiable torch module, (N, 3, H, W) in [0, 1] → loss, in place of a scorer.
    """
    from rankiqa import load

    return load(model, device, as_loss)
