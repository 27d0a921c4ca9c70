"""What the benchmarks of a device share: how long a call takes, how much time is left, and photos to take."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Clock:
    """How much time is left."""

    def __init__(self, seconds: float) -> None:
        self.whole, self.start = seconds, time.monotonic()

    @property
    def left(self) -> float:
        return self.whole - (time.monotonic() - self.start)


def timed(run: Callable[[], Any], device: Any, seconds: float) -> float:
    """Seconds of one call, of as many as fit into the time, after two to warm up."""
    for _ in range(2):
        run()
    synchronise(device)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds or count < 2:
        run()
        count += 1
        if count % 4 == 0:
            synchronise(device)
    synchronise(device)
    return (time.perf_counter() - start) / count


def synchronise(device: Any) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def photos(folder: Path, count: int, side: int = 512) -> list[Path]:
    """JPEG files of parts of scikit-image's photos, 512×512."""
    import numpy as np
    from PIL import Image

    from rankiqa.images import builtin_photos

    folder.mkdir(parents=True, exist_ok=True)
    large = [np.array(Image.open(builtin_photos.folder() / name)) for name in builtin_photos.PHOTOS]
    rng, files = np.random.default_rng(0), []
    for k in range(count):
        image = Image.fromarray(large[k % len(large)])
        scale = max(1.0, side / min(image.size))
        image = image.resize((max(side, round(image.width * scale)), max(side, round(image.height * scale))))
        left, top = (int(rng.integers(free - side + 1)) for free in image.size)
        files.append(folder / f"{k:03}.jpg")
        image.crop((left, top, left + side, top + side)).save(files[-1], quality=95)
    return files
