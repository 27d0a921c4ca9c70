"""Lossy compression: encode, decode, keep what came back."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image

from rankiqa.distortions.noise import gaussian_noise
from rankiqa.errors import InputError
from rankiqa.extras import MissingExtra

_STEPS_OF_DEVIATION = 4.5  # quantization step over the standard deviation of the noise

# OpenJPEG fills a file with whole coding passes of whole code-blocks. Where a file is to be small, a pass of its usual
# 64×64 code-blocks is up to a tenth of it; with smaller ones it comes within 3 % of the size, for 0.1 to 0.2 dB.
_CODE_BLOCKS = ((12_000, 64), (2_500, 32), (0, 16))  # bytes from which, pixels

# The longest side in pixels that a format, or its encoder and decoder here, can hold.
LONGEST = {"JPEG": 65500, "WEBP": 16383, "AVIF": 32768, "HEIC": 65500, "H264": 16384, "HEVC": 65500}


def encode_jpeg(image: np.ndarray, quality: int) -> bytes:
    """The JPEG file of uint8 H×W×3 RGB: libjpeg's quality 0–100, chroma at half resolution (4:2:0)."""
    return encode(image, "JPEG", quality=int(quality), subsampling="4:2:0")


def encode_jpeg2000(image: np.ndarray, ratio: float) -> bytes:
    """The JP2 file of uint8 H×W×3 RGB, `ratio` times smaller than the raw pixels.

    The 9/7 wavelet and the colour transform are on; Pillow leaves both off, which costs 1 to 4 dB. Code-blocks are
    64×64 pixels, and smaller where the file has less than 12 kB, so that it comes near to its size.
    """
    side = next(side for size, side in _CODE_BLOCKS if image.size / ratio >= size)
    rate = {"quality_mode": "rates", "quality_layers": [ratio], "codeblock_size": (side, side)}
    return encode(image, "JPEG2000", irreversible=True, mct=1, **rate)


def jpeg(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """JPEG compression; `strength` is libjpeg's quality, 0–100, **lower is stronger**.

    `rng` is not used. uint8 H×W×3 in and out; `image` is not changed.
    Source: RankIQA (ICCV 2017), supplement; TID2013 type 10.
    """
    return decode(encode_jpeg(image, int(strength)))


def jpeg2000(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """JPEG 2000 compression; `strength` is the ratio of the raw size to the compressed size, ≥ 1.

    `rng` is not used. uint8 H×W×3 in and out; `image` is not changed.
    Source: RankIQA (ICCV 2017), supplement; TID2013 type 11.
    """
    return decode(encode_jpeg2000(image, strength))


def noise_step(variance: float) -> int:
    """The quantization step on 0–255 for noise of that variance on [0, 1]: 4.5 standard deviations, 1 to 255."""
    return min(max(round(_STEPS_OF_DEVIATION * 255 * variance**0.5), 1), 255)


def encode_noisy(image: np.ndarray, variance: float) -> bytes:
    """The JPEG file of uint8 H×W×3 RGB with noise of that variance: one step for all frequencies, 4:2:0."""
    table = [noise_step(variance)] * 64
    return encode(image, "JPEG", qtables=[table, table], subsampling="4:2:0")


def noisy_compression(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise, then JPEG whose quantization steps follow the noise, so that it takes most of the noise away.

    `strength` is the variance of the noise, which `rng` draws, for pixel values on [0, 1]. The step is the same at all
    frequencies, as white noise is, and 4.5 standard deviations of the noise, near which the decoded image comes closest
    to the one without noise. uint8 H×W×3 in and out; `image` is not changed.
    Source: TID2013 type 21, whose coder is not published; the step is that of N. Ponomarenko et al., "Lossy compression
    of noisy images based on visual quality: a comprehensive study", 2010, of whose coders none is JPEG.
    """
    return decode(encode_noisy(gaussian_noise(image, strength, rng), strength))


def check_sides(codec: str, image: np.ndarray) -> None:
    """Raise `InputError` where `codec` cannot hold as many pixels a side as `image` has."""
    height, width = image.shape[:2]
    if (most := LONGEST.get(codec)) and max(height, width) > most:
        raise InputError(f"{codec} holds at most {most} pixels a side, not {width}×{height}")


@contextmanager
def told(codec: str, image: np.ndarray) -> Iterator[None]:
    """Raise `InputError` for a side that `codec` cannot hold, and in place of what its library raises over `image`."""
    check_sides(codec, image)
    try:
        yield
    except (InputError, MissingExtra):
        raise
    except Exception as error:  # each library has errors of its own; KeyError: Pillow was built without the codec
        height, width = image.shape[:2]
        why = f"{codec} failed on an image of {width}×{height} ({' '.join(str(error).split()) or type(error).__name__})"
        raise InputError(why) from error


def encode(image: np.ndarray, codec: str, /, **options: object) -> bytes:
    """What Pillow's `codec` makes of uint8 H×W×3 RGB; `InputError` for a side that it cannot hold, or if it fails."""
    buffer = io.BytesIO()
    with told(codec, image):
        Image.fromarray(image).save(buffer, codec, **options)
    return buffer.getvalue()


def decode(data: bytes) -> np.ndarray:
    """The pixels of a JPEG or JPEG 2000 file: uint8 H×W×3 RGB. Damage in the entropy-coded bytes is no error."""
    return np.array(Image.open(io.BytesIO(data)).convert("RGB"))
