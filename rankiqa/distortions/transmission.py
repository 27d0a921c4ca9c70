"""Errors on the way: an image is coded well, some bytes of the code are hit, a decoder makes of it what it can.

The codecs are the real ones, libjpeg and OpenJPEG. As in error-resilient transmission the headers arrive unharmed; hit
are the entropy-coded bytes. All levels of an image draw the same random order of hits, of which each takes the first
ones: a stronger level's hits contain a weaker level's, bit for bit.
"""

from __future__ import annotations

import math

import numpy as np

from rankiqa.distortions.compression import decode, encode

# Restart markers stop the loss of synchronism: here after 8 blocks of 16×16 pixels, so that what a hit leaves behind is
# a strip of up to 128 × 16 pixels.
_JPEG = {"quality": 90, "subsampling": "4:2:0", "restart_marker_blocks": 8}

# One code stream, one quality layer, one tile: for each resolution and component a packet, with a header in front.
# Each code block is coded on its own, so that a hit in a small one does little harm; PLT tells where packets begin.
_BLOCK = 32
_JPEG2000 = {
    "quality_mode": "rates",
    "quality_layers": [8],
    "irreversible": True,
    "mct": 1,
    "codeblock_size": (_BLOCK, _BLOCK),
    "progression": "LRCP",
    "no_jp2": True,
    "plt": True,
}
# Bytes of a packet header for each code block, at the most: whether there is anything (tag tree), empty bit planes (tag
# tree), number of passes (up to 9 bits), and length (up to 8 bits to widen it, then up to 15).
_HEADER_OF_BLOCK = 8

# Markers.
_SOS = b"\xff\xda"
_SOC, _COD, _PLT, _SOD = b"\xff\x4f", b"\xff\x52", b"\xff\x58", b"\xff\x93"


def jpeg_errors(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """JPEG with bit errors: strips of wrong colour and wrong detail.

    The file is of quality 90, chroma at half resolution, a restart marker after every 8 blocks of 16×16 pixels.
    `strength` is the fraction of the entropy-coded bytes in which one bit is wrong, at least one byte. libjpeg goes on
    after an error and finds its place again at the next restart marker. The places and bits come from `rng`, a stronger
    level's contain a weaker level's. uint8 H×W×3 in and out; `image` is not changed.
    Source: TID2013 type 12, whose coder is not published; this one is ours.
    """
    coded = encode(image, "JPEG", **_JPEG)
    return decode(hit(coded, jpeg_places(coded), strength, rng))


def jpeg2000_errors(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """JPEG 2000 with bit errors: patches of stray wavelets, large and blurred or small and sharp.

    The code stream is 8 times smaller than the pixels, with the 9/7 wavelet, 6 resolutions (fewer where the image is
    less than 32 pixels high or wide) and code blocks of 32×32 coefficients. `strength` is the fraction of the bytes in
    code blocks in which one bit is wrong, at least one byte; the headers of the packets arrive unharmed. (An image of a
    few pixels may have too few bytes to hit any.) The places and bits come from `rng`, a stronger level's contain a
    weaker level's. uint8 H×W×3 in and out; `image` is not changed.
    Source: TID2013 type 13, whose coder is not published; this one is ours.
    """
    coded = encode(image, "JPEG2000", **_JPEG2000)
    return decode(hit(coded, jpeg2000_places(coded, image.shape[:2]), strength, rng))


def hit(coded: bytes, places: np.ndarray, strength: float, rng: np.random.Generator) -> bytes:
    """`coded` with one random bit wrong in that fraction of the bytes at `places`, in one of them at least."""
    made = np.frombuffer(coded, np.uint8).copy()
    # All places are drawn, whatever the strength, so that every level takes the first ones of the same order.
    order, bits = rng.permutation(places), rng.integers(8, size=len(places), dtype=np.uint8)
    number = max(1, round(strength * len(places)))
    order, bits = order[:number], bits[:number]
    # 0xFF begins a marker, and a false "end of image" would lose all that follows: of two bits one does not lead there.
    bits[made[order] | (1 << bits) == 0xFF] += 1
    made[order] ^= np.uint8(1) << bits % 8
    return made.tobytes()


def jpeg_places(coded: bytes) -> np.ndarray:
    """Where a JPEG file may be hit: the entropy-coded bytes, less markers and stuffed bytes."""
    start = 2
    while coded[start : start + 2] != _SOS:
        start = _end_of_segment(coded, start)
    return _no_markers(coded, np.arange(_end_of_segment(coded, start), len(coded) - 2))


def jpeg2000_places(coded: bytes, shape: tuple[int, int]) -> np.ndarray:
    """Where a code stream made here may be hit: the bytes of the code blocks, less the first ones of each packet.

    These first ones hold the packet's header; without it a decoder loses all packets from there on. It is not parsed:
    as many bytes are spared as a header may have.
    """
    lengths: list[int] = []
    length = resolutions = 0
    start = len(_SOC)
    while (marker := coded[start : start + 2]) != _SOD:
        end = _end_of_segment(coded, start)
        if marker == _COD:
            resolutions = coded[start + 9] + 1
        elif marker == _PLT:  # numbers of 7 bits a byte, the highest bit set in all bytes but the last
            for byte in coded[start + 5 : end]:
                length = length << 7 | byte & 0x7F
                if byte < 0x80:
                    lengths.append(length)
                    length = 0
        start = end
    start += len(_SOD)
    places = []
    packets = (resolution for resolution in range(resolutions) for _ in "YCC")
    for resolution, length in zip(packets, lengths, strict=True):
        # Three bands of a resolution, each half of its size; one, the coarsest, of the first.
        scale = 2 ** min(resolutions - resolution, resolutions - 1)
        blocks = math.prod(math.ceil(math.ceil(side / scale) / _BLOCK) for side in shape) * (3 if resolution else 1)
        places.append(np.arange(start + blocks * _HEADER_OF_BLOCK, start + length))
        start += length
    return _no_markers(coded, np.concatenate(places))


def _no_markers(coded: bytes, places: np.ndarray) -> np.ndarray:
    """`places` less those of 0xFF and of the byte after it: together they are a marker, or keep from being one."""
    data = np.frombuffer(coded, np.uint8)
    return places[(data[places] != 0xFF) & (data[places - 1] != 0xFF)]


def _end_of_segment(coded: bytes, start: int) -> int:
    return start + 2 + int.from_bytes(coded[start + 2 : start + 4], "big")
