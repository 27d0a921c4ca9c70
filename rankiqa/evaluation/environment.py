"""Where an evaluation was computed: the machine, the commit and the versions."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

from rankiqa.version import __version__, versions

PACKAGES = ("torch", "torchvision", "numpy", "scipy", "pandas", "pillow", "opencv-python", "matplotlib")


def describe(device) -> str:
    """A device and what it is called."""
    if device.type == "cuda":
        import torch

        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({platform.processor() or platform.machine()})"


def commit() -> str | None:
    """The commit of this source, with + when files differ from it; None where it is not a checkout."""
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return None
    try:
        run = [
            subprocess.run(["git", "-C", here, *words], capture_output=True, text=True, timeout=20, check=True)
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
        ]
    except (OSError, subprocess.SubprocessError):
        return None
    return run[0].stdout.strip() + ("+" if run[1].stdout.strip() else "")


def environment_versions() -> dict[str, str]:
    """The versions of this package, of Python, and of what the numbers come from."""
    return {"rankiqa": __version__, "python": platform.python_version(), **versions(PACKAGES)}
