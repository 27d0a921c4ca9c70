"""For torch.hub: `torch.hub.load(DIR, "rankiqa", source="local")` of a clone in DIR."""

from __future__ import annotations

# What must be importable for scoring; the package itself need not be installed. A model of the Hugging Face hub needs
# huggingface_hub too, and a network of timm timm: who asks for one is told.
dependencies = ["torch", "torchvision", "numpy", "PIL", "safetensors"]


def rankiqa(model: str | None = None, device: str = "auto", as_loss: bool = False, **hub):
    """A model that scores images: `.score(path | Pillow image | array | tensor)`, higher is better.

    model: a model folder, a training run, OWNER/NAME of the Hugging Face hub, or a bundled model: "ranks", which has
        seen no human score, or None, "default", which is on people's scale. It is given without its name, which
        torch.hub.load has too: torch.hub.load(DIR, "rankiqa", "runs/x", source="local").
    device: auto, cpu, cuda or cuda:N.
    as_loss: a differentiable torch module, (N, 3, H, W) in [0, 1] → loss, in place of a scorer.
    hub: revision, cache_dir, token and local_files_only, of a model on the Hugging Face hub.
    """
    from rankiqa import load

    return load(model, device, as_loss, **hub)
