"""Today's codecs: a photo as phones, messengers and web pages save it, opened again.

All but `jpeg444` and `jxl` halve the chroma in both directions (4:2:0). Each codes at constant quality, with
one thread, in memory: the same pixels give the same bytes with the same libraries, whatever else runs. Presets are
chosen so that a 224×224 crop takes a few hundredths of a second. A side that a format cannot hold, or an image that
its library fails on, is an `InputError`.
"""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import cv2
import numpy as np

from rankiqa.distortions.compression import decode, encode, encode_jpeg, told
from rankiqa.extras import extra

# `qcomp` 1 makes the rate factor the quantizer, whatever else the picture holds, and `aq-mode` 1 adapts that to each
# block by itself: a crop is coded as in the whole image.
_X264 = {"qcomp": "1", "aq-mode": "1", "threads": "1"}
_X265 = {"qcomp": "1", "aq-mode": "1", "aq-strength": "1", "sao": "1", "pools": "none", "frame-threads": "1"}
_X265 |= {"allow-non-conformance": "1"}  # sides that no level of HEVC has, such as 16×8192
_LEAST = 16  # pixels a side of a frame


def jpeg420(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """JPEG by libjpeg-turbo, chroma halved; `strength` is libjpeg's quality, 0–100, **lower is stronger**.

    `rng` is not used. uint8 H×W×3 in and out; `image` is not changed.
    """
    return decode(encode_jpeg(image, int(strength)))


def jpeg444(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """JPEG by libjpeg-turbo, chroma whole; `strength` is libjpeg's quality, 0–100, **lower is stronger**.

    `rng` is not used. uint8 H×W×3 in and out; `image` is not changed.
    """
    return decode(encode(image, "JPEG", quality=int(strength), subsampling="4:4:4"))


def jpeg_twice(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """JPEG, moved, and JPEG again: what a cropped copy of a JPEG photo went through.

    The second grid of blocks lies 1–7 pixels up and 1–7 to the left of the first, as `rng` draws it; in between the
    image's edge is repeated. `strength` is libjpeg's quality of both, 0–100, **lower is stronger**; chroma is halved
    both times. uint8 H×W×3 in and out; `image` is not changed.
    """
    top, left = rng.integers(1, 8, 2).tolist()
    once = decode(encode_jpeg(image, int(strength)))
    moved = np.pad(once, ((top, 0), (left, 0), (0, 0)), mode="edge")
    return decode(encode_jpeg(moved, int(strength)))[top:, left:].copy()


def encode_webp(image: np.ndarray, quality: int) -> bytes:
    """The lossy WebP file of uint8 H×W×3 RGB: libwebp's quality 0–100, its usual method 4."""
    return encode(image, "WEBP", quality=quality, method=4)


def webp(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """WebP by libwebp; `strength` is its quality, 0–100, **lower is stronger**.

    `rng` is not used. uint8 H×W×3 in and out; `image` is not changed. `InputError` for a side of over 16383 pixels.
    """
    return decode(encode_webp(image, int(strength)))


def encode_avif(image: np.ndarray, quality: int) -> bytes:
    """The AVIF file of uint8 H×W×3 RGB: libavif's quality 0–100, AV1 by aom at speed 8 in one tile, 4:2:0."""
    options = {"speed": 8, "codec": "aom", "subsampling": "4:2:0", "max_threads": 1, "autotiling": False}
    return encode(image, "AVIF", quality=quality, **options)


def avif(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """AVIF by libavif and aom; `strength` is libavif's quality, 0–100, **lower is stronger**.

    Its 101 qualities are 64 quantizers: two neighbours may be one. `rng` is not used. uint8 H×W×3 in and out; `image`
    is not changed. `InputError` for a side of over 32768 pixels.
    """
    return decode(encode_avif(image, int(strength)))


def encode_jxl(image: np.ndarray, quality: int) -> bytes:
    """The JPEG XL file of uint8 H×W×3 RGB: libjxl's quality 0–100, effort 5, in XYB. `MissingExtra` without libjxl.

    Effort 5 has what a file of the usual 7 shows: blocks of several sizes, and the filters at their borders.
    """
    with extra("jxl"):
        import pillow_jxl
    library: Any = pillow_jxl  # its stubs are of another version
    form = {"lossless": False, "decoding_speed": 0, "use_container": False, "use_original_profile": False}
    height, width = image.shape[:2]
    encoder = library.Encoder(mode="RGB", quality=float(quality), effort=5, num_threads=0, **form)
    return bytes(encoder(image.tobytes(), width, height, jpeg_encode=False))


def decode_jxl(data: bytes) -> np.ndarray:
    """The pixels of a JPEG XL file of RGB: uint8 H×W×3. `MissingExtra` without libjxl."""
    with extra("jxl"):
        from pillow_jxl import Decoder
    _, info, pixels, *_ = Decoder(num_threads=0)(data)
    return np.frombuffer(pixels, np.uint8).reshape(info.height, info.width, 3).copy()


def jxl(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """JPEG XL by libjxl; `strength` is its quality, 0–100, **lower is stronger**.

    `rng` is not used. uint8 H×W×3 in and out; `image` is not changed. `MissingExtra` without the package pillow_jxl.
    """
    with told("JXL", image):
        return decode_jxl(encode_jxl(image, int(strength)))


def encode_heic(image: np.ndarray, quality: int) -> bytes:
    """The HEIC file of uint8 H×W×3 RGB: libheif's quality 0–100, x265's rate factor 50–0. `MissingExtra` without it."""
    with extra("heic"):
        import pillow_heif
    height, width = image.shape[:2]
    buffer = io.BytesIO()
    settings = {"preset": "superfast", **{f"x265:{name}": value for name, value in _X265.items()}}
    pillow_heif.encode(
        "RGB", (width, height), image.tobytes(), buffer, quality=quality, chroma=420, enc_params=settings
    )
    return buffer.getvalue()


def decode_heic(data: bytes) -> np.ndarray:
    """The pixels of a HEIC file: uint8 H×W×3 RGB. `MissingExtra` without libheif."""
    with extra("heic"):
        import pillow_heif
    return np.array(pillow_heif.open_heif(io.BytesIO(data)))


def heic(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """HEIC by libheif and x265; `strength` is libheif's quality, 0–100, **lower is stronger**.

    `rng` is not used. uint8 H×W×3 in and out; `image` is not changed. `MissingExtra` without the package pillow_heif.
    """
    with told("HEIC", image):
        return decode_heic(encode_heic(image, int(strength)))


def encode_h264(image: np.ndarray, crf: float) -> bytes:
    """The H.264 stream of one intra frame of uint8 H×W×3 RGB: x264's rate factor 1–51. `MissingExtra` without FFmpeg.

    The frame is 4:2:0, of even sides of at least 16 pixels.
    """
    return _encode_frame(image, "libx264", crf, {"preset": "medium", "x264-params": _joined(_X264)})


def encode_hevc(image: np.ndarray, crf: float) -> bytes:
    """The HEVC stream of one intra frame of uint8 H×W×3 RGB: x265's rate factor 1–51. `MissingExtra` without FFmpeg.

    The frame is 4:2:0, of even sides of at least 16 pixels.
    """
    settings = _joined({**_X265, "log-level": "none"})
    return _encode_frame(image, "libx265", crf, {"preset": "superfast", "x265-params": settings})


def decode_frame(data: bytes, codec: str) -> np.ndarray:
    """The pixels of one frame of `codec`, "h264" or "hevc": uint8 H×W×3 RGB. `MissingExtra` without FFmpeg."""
    with extra("video"):
        import av
    decoder: Any = av.CodecContext.create(codec, "r")
    decoder.thread_count = 1
    frame = (decoder.decode(av.Packet(data)) + decoder.decode(None))[0]
    return _from_planes(frame.to_ndarray(format=frame.format.name))


def h264(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """A still of H.264 video by x264: an intra frame; `strength` is the rate factor (CRF), 1–51.

    `rng` is not used. uint8 H×W×3 in and out; `image` is not changed. `MissingExtra` without the package av,
    `InputError` for a side of over 16384 pixels.
    """
    with told("H264", image):
        return decode_frame(encode_h264(image, strength), "h264")[: image.shape[0], : image.shape[1]].copy()


def hevc(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """A still of HEVC video by x265: an intra frame; `strength` is the rate factor (CRF), 1–51.

    `rng` is not used. uint8 H×W×3 in and out; `image` is not changed. `MissingExtra` without the package av,
    `InputError` for a side of over 65500 pixels.
    """
    with told("HEVC", image):
        return decode_frame(encode_hevc(image, strength), "hevc")[: image.shape[0], : image.shape[1]].copy()


def _encode_frame(image: np.ndarray, codec: str, crf: float, options: dict[str, str]) -> bytes:
    with extra("video"):
        import av
        from av.video.reformatter import ColorRange, Colorspace
    planes = _to_planes(image)
    encoder: Any = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height = planes.shape[1], planes.shape[0] * 2 // 3
    encoder.pix_fmt, encoder.time_base, encoder.thread_count = "yuv420p", Fraction(1, 25), 1
    encoder.color_range, encoder.colorspace = ColorRange.JPEG, Colorspace.ITU601
    encoder.options = {"crf": f"{crf:g}", **options}
    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    return b"".join(bytes(packet) for step in (frame, None) for packet in encoder.encode(step))


def _joined(settings: dict[str, str]) -> str:
    return ":".join(f"{name}={value}" for name, value in settings.items())


def _to_planes(image: np.ndarray) -> np.ndarray:
    """Y, Cb and Cr of BT.601 on 0–255, one under the other as FFmpeg has them; Cb and Cr are means over 2×2 pixels."""
    height, width = (max(side + side % 2, _LEAST) for side in image.shape[:2])
    more = (0, height - image.shape[0], 0, width - image.shape[1])
    wider = cv2.copyMakeBorder(np.ascontiguousarray(image), *more, cv2.BORDER_REPLICATE)
    luma, red, blue = cv2.split(cv2.cvtColor(wider, cv2.COLOR_RGB2YCrCb))
    half = (width // 2, height // 2)
    chroma = (cv2.resize(plane, half, interpolation=cv2.INTER_AREA) for plane in (blue, red))
    return np.concatenate([luma.ravel(), *(plane.ravel() for plane in chroma)]).reshape(height * 3 // 2, width)


def _from_planes(planes: np.ndarray) -> np.ndarray:
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    blue, red = planes[height:].reshape(2, height // 2, width // 2)
    chroma = (cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in (red, blue))
    return cv2.cvtColor(cv2.merge([planes[:height], *chroma]), cv2.COLOR_YCrCb2RGB)
