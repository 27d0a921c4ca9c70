"""Files that are not read without more ado."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.images.by_hand import PIXELS, save, sixteen_bit_png


def refused_files(folder):
    grey = PIXELS[..., 0]
    alpha = np.dstack([PIXELS, grey])
    save(folder / "grey.png", grey)
    save(folder / "grey.jpg", grey)
    save(folder / "grey-alpha.png", np.dstack([grey, grey]))
    save(folder / "transparent.png", alpha)
    save(folder / "transparent.webp", alpha, lossless=True)
    save(folder / "key.png", PIXELS, transparency=tuple(PIXELS[0, 0].tolist()))
    Image.fromarray(PIXELS).convert("CMYK").save(folder / "cmyk.jpg")
    (folder / "16-bit.png").write_bytes(sixteen_bit_png(PIXELS.astype(np.uint16) * 257))
    (folder / "16-bit-grey.png").write_bytes(sixteen_bit_png(grey[..., None].astype(np.uint16) * 257))
    frames = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    for name in ("animated.gif", "animated.webp", "animated.png", "animated.tif"):
        frames[0].save(folder / name, save_all=True, append_images=frames[1:])
    (folder / "text.png").write_text("this is no image\n")
    (folder / "empty.png").write_bytes(b"")
    for kind in ("png", "jpg", "bmp", "tif", "webp", "jp2"):
        buffer = io.BytesIO()
        smooth = np.add.outer(np.arange(200), np.arange(200))[..., None] // np.array([2, 3, 4])
        formats = {"jpg": "JPEG", "tif": "TIFF", "jp2": "JPEG2000"}
        Image.fromarray(smooth.astype(np.uint8)).save(buffer, formats.get(kind, kind))
        data = buffer.getvalue()
        (folder / f"half.{kind}").write_bytes(data[: len(data) // 2])
        (folder / f"head.{kind}").write_bytes(data[:10])
    Image.fromarray(PIXELS.astype(np.float32)[..., 0]).save(folder / "float.tif")


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    folder = tmp_path_factory.mktemp("refused")
    refused_files(folder)
    return folder
