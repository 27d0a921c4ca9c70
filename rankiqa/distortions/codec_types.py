"""The types of the set `codecs`, and which encoder made an image."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Callable
from functools import cache, partial

import numpy as np
from PIL import features

from rankiqa.distortions import codecs, levels
from rankiqa.distortions.distortion import Distortion
from rankiqa.extras import extra

UNKNOWN = "an unknown version"


def encoder(version: Callable[[], str], strength: float, seed: int) -> str:
    """The recipe of a codec: what `version` tells, whatever the strength and the seed."""
    return told(version)


@cache
def told(version: Callable[[], str]) -> str:
    """What `version` tells, asked once; `UNKNOWN` where the library does not tell it, or is not there."""
    try:
        return version()
    except Exception:  # whatever a library raises that has changed its ways; the image is made all the same
        return UNKNOWN


def _jpeg() -> str:
    turbo = features.version("libjpeg_turbo")
    return f"libjpeg-turbo {turbo}" if turbo else f"libjpeg {features.version('jpg')}"


def _webp() -> str:
    return f"libwebp {features.version('webp')}"


def _avif() -> str:
    from PIL import _avif as plugin

    aom = _found(r"aom \[enc\]:(?:v)?([\w.-]+)", plugin.codec_versions())
    return f"libavif {features.version('avif')}, aom {aom}"


def _jxl() -> str:
    plugin = importlib.metadata.distribution("pillow-jxl-plugin")
    # The library tells no version; the list of what the package was built from does.
    parts = plugin.read_text("sboms/pillow-jxl-plugin.cyclonedx.json") or ""
    built = re.search(r"libjxl-(\d[\d.]*)", parts)
    return f"libjxl {built[1]}" if built else f"pillow-jxl-plugin {plugin.version}"


def _heic() -> str:
    with extra("heic"):
        import pillow_heif
    x265 = _found(r"\(([\w.+-]+)\)", pillow_heif.libheif_info()["encoders"]["x265"])
    return f"libheif {pillow_heif.libheif_version()}, x265 {x265}"


def _h264() -> str:
    core = _found(r"x264 - core (\d+(?: r\d+)?)", codecs.encode_h264(_GREY, 30).decode("latin-1"))
    return f"{_ffmpeg()}, x264 core {core}"


def _hevc() -> str:
    x265 = _found(r"x265 \(build \d+\) - ([\w.+-]+)", codecs.encode_hevc(_GREY, 30).decode("latin-1"))
    return f"{_ffmpeg()}, x265 {x265}"


_GREY = np.full((32, 32, 3), 128, np.uint8)  # the encoders of video write their versions into what they make


def _ffmpeg() -> str:
    with extra("video"):
        import av
    return f"FFmpeg libavcodec {'.'.join(map(str, av.library_versions['libavcodec']))}"


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match[1] if match else UNKNOWN


_SOURCE = "the encoders' own scales; levels of ours, of one MDSI for all"
_QUALITY = (100, 0)
_CRF = (1.0, 51.0)
_of_jpeg, _of_webp, _of_avif = partial(encoder, _jpeg), partial(encoder, _webp), partial(encoder, _avif)

# From WEBP on, the exact pixels of a crop depend on all blocks before it. With windows of an encoder's largest blocks a
# 224×224 crop has the PSNR of the whole image's crop to within 0.1 dB in the mean, and within 0.35 dB each.
#
# Equal images: libjpeg takes quality 0 for 1. Of libavif's qualities up to three are one quantizer. Of libwebp's,
# neighbours made the same image in 2 % of cases (20 photos, 256×256 pixels each), but never two that are 2 apart.
TYPES = (
    Distortion(
        "JPEG420", codecs.jpeg420, "JPEG with 4:2:0 chroma", "quality {}", levels.JPEG420_QUALITY, _QUALITY,
        source=_SOURCE, whole=True, apart=2, psnr=False, stage="saving", context=1, grid=16, recipe=_of_jpeg,
    ),
    Distortion(
        "JPEG444", codecs.jpeg444, "JPEG with 4:4:4 chroma", "quality {}", levels.JPEG444_QUALITY, _QUALITY,
        source=_SOURCE, whole=True, apart=2, psnr=False, stage="saving", grid=8, recipe=_of_jpeg,
    ),
    Distortion(
        "JPEG2X", codecs.jpeg_twice, "JPEG twice, cropped in between", "quality {}", levels.JPEG2X_QUALITY, _QUALITY,
        source=_SOURCE, whole=True, apart=2, nested=True, psnr=False, stage="saving", context=17, grid=16,
        recipe=_of_jpeg,
    ),
    Distortion(
        "WEBP", codecs.webp, "WebP", "quality {}", levels.WEBP_QUALITY, _QUALITY,
        source=_SOURCE, whole=True, apart=2, psnr=False, stage="saving", context=8, grid=64, recipe=_of_webp,
    ),
    Distortion(
        "AVIF", codecs.avif, "AVIF", "quality {}", levels.AVIF_QUALITY, _QUALITY,
        source=_SOURCE, whole=True, apart=3, psnr=False, stage="saving", context=0, grid=32, recipe=_of_avif,
    ),
    Distortion(
        "JXL", codecs.jxl, "JPEG XL", "quality {}", levels.JXL_QUALITY, (99, 19),
        source=_SOURCE, whole=True, psnr=False, stage="saving", context=0, grid=64, recipe=partial(encoder, _jxl),
        extra="jxl", package="pillow_jxl",
    ),
    Distortion(
        "HEIC", codecs.heic, "HEIC", "quality {}", levels.HEIC_QUALITY, _QUALITY,
        source=_SOURCE, whole=True, psnr=False, stage="saving", context=0, grid=32,
        recipe=partial(encoder, _heic), extra="heic", package="pillow_heif",
    ),
    Distortion(
        "H264", codecs.h264, "H.264 intra frame", "CRF {}", levels.H264_RATE_FACTOR, _CRF,
        source=_SOURCE, psnr=False, stage="saving", context=8, grid=16, recipe=partial(encoder, _h264),
        extra="video", package="av",
    ),
    Distortion(
        "HEVC", codecs.hevc, "HEVC intra frame", "CRF {}", levels.HEVC_RATE_FACTOR, _CRF,
        source=_SOURCE, psnr=False, stage="saving", context=0, grid=32, recipe=partial(encoder, _hevc),
        extra="video", package="av",
    ),
)  # fmt: skip
