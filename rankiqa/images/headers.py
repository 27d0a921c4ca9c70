"""What the headers of HEIF, AVIF and JPEG XL files say, read before a decoder is given anything.

Sources: ISO/IEC 14496-12 (boxes) and 23008-12 (HEIF), and 18181-1 and -2 (JPEG XL: codestream and boxes).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

AVIF, HEIF, JXL = "AVIF", "HEIF", "JXL"

_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {*(b"hei" + c for c in (b"c", b"x", b"m", b"s")), *(b"hev" + c for c in (b"c", b"x", b"m", b"s"))}
_OTHER_BRANDS = {b"mif1", b"mif2", b"msf1", b"hevc", b"hevx", b"vvic", b"j2ki", b"jpeg", b"tmap"}  # of HEIF, any coding
_JXL_BOX = b"\0\0\0\x0cJXL \r\n\x87\n"
_MOST_BOXES = 20_000  # a photo of 100 megapixels has 400 tiles, with three boxes each
_APPLES_GAIN_MAP = b"urn:com:apple:photo:2020:aux:hdrgainmap"
# Of ITU-T H.273; the others are sRGB's or close to them.
_PRIMARIES = {9: "BT.2020's colours", 11: "DCI-P3's colours", 12: "Display P3's colours"}
_TRANSFERS = {16: "the tones of PQ (HDR)", 18: "the tones of HLG (HDR)"}
# JPEG XL: width : height, by the three bits that name it.
_RATIOS = ((1, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


@dataclass
class Header:
    """What a file claims.

    Attributes:
        pixels: of the largest picture in it.
        bits: a channel of the main picture; 8 where nothing is said.
        gain_map: it has one, for screens that are brighter than its main picture asks for.
        unconverted: HEIF and AVIF: what is not undone, as no ICC profile says it: wide colours, or the tones of HDR.
        animated: JPEG XL: it has several frames. (The others are asked when they are opened.)
        extra: JPEG XL: channels beside grey or colour.
    """

    pixels: int = 0
    bits: int = 8
    gain_map: bool = False
    unconverted: str = ""
    animated: bool = False
    extra: int = 0


class Damaged(ValueError):
    """A header cannot be read."""


def kind_of(data: bytes) -> str | None:
    """`AVIF`, `HEIF` or `JXL`, told by the first bytes; None for anything else."""
    if data.startswith((b"\xff\x0a", _JXL_BOX)):
        return JXL
    if data[4:8] != b"ftyp":
        return None
    size = min(int.from_bytes(data[:4], "big"), 200)
    brands = {data[8:12], *(data[k : k + 4] for k in range(16, size - 3, 4))}
    if brands & _AVIF_BRANDS:
        return AVIF
    return HEIF if brands & (_HEIF_BRANDS | _OTHER_BRANDS) else None


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes between two places: their kinds, and where their contents begin and end."""
    for _ in range(_MOST_BOXES):
        if start + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1 and start + 16 <= end:
            size, head = struct.unpack_from(">Q", data, start + 8)[0], 16
        stop = start + size if size else end
        if size and size < head:
            raise Damaged(f"a box of {size} bytes")
        yield kind, start + head, min(stop, end)
        start = stop
    raise Damaged(f"more than {_MOST_BOXES:,} boxes")


def _first(data: bytes, kind: bytes, start: int, end: int) -> tuple[int, int]:
    return next(((a, b) for found, a, b in _boxes(data, start, end) if found == kind), (end, end))


def read_header(data: bytes, kind: str) -> Header:
    """The header of a file of a `kind_of`; `Damaged` if it cannot be read."""
    try:
        return _read_jxl(data) if kind == JXL else _read_meta(data)
    except (struct.error, IndexError) as error:
        raise Damaged("its header is cut short") from error


def _read_meta(data: bytes) -> Header:
    start, end = _first(data, b"meta", 0, len(data))
    start += 4  # version and flags
    header = Header(gain_map=_APPLES_GAIN_MAP in data[start:end])
    main = 0
    tiles: list[tuple[int, int]] = []
    owned: dict[int, list[int]] = {}
    properties: list[tuple[bytes, int, int]] = []
    coded: list[bytes] = []
    for kind, a, b in _boxes(data, start, end):
        if kind == b"pitm":
            main = _number(data, a + 4, 2 if data[a] == 0 else 4)
        elif kind == b"iinf":
            a += 6 if data[a] == 0 else 8
            for _, c, _ in _boxes(data, a, b):
                header.gain_map |= data[c] >= 2 and data[c + (8 if data[c] == 2 else 10) :][:4] == b"tmap"
        elif kind == b"iref":
            tiles += _tiles(data, a, b)
        elif kind == b"iprp":
            properties = list(_boxes(data, *_first(data, b"ipco", a, b)))
            for inner, c, d in _boxes(data, a, b):
                owned |= _owned(data, c, d) if inner == b"ipma" else {}
    sizes = [struct.unpack_from(">II", data, a + 4) for kind, a, _ in properties if kind == b"ispe"]
    header.pixels = max((width * height for width, height in sizes), default=0)
    for item in (main, *(tile for whole, tile in tiles if whole == main)):
        for index in owned.get(item, ()):
            if 0 < index <= len(properties):
                kind, a, _ = properties[index - 1]
                header.bits = max(header.bits, _bits_of(data, kind, a))
                if kind == b"colr" and item == main:
                    coded.append(data[a : a + 8])
    if coded and all(colour[:4] == b"nclx" for colour in coded):
        primaries, transfer = struct.unpack_from(">HH", coded[0], 4)
        header.unconverted = _TRANSFERS.get(transfer) or _PRIMARIES.get(primaries, "")
    return header


def _bits_of(data: bytes, kind: bytes, at: int) -> int:
    """The bits a channel that a property claims; 0 for one that says nothing of them."""
    if kind == b"av1C":
        return 8 + 2 * (data[at + 2] >> 6 & 1) + 2 * (data[at + 2] >> 5 & 1)
    if kind == b"hvcC":
        return 8 + max(data[at + 17] & 7, data[at + 18] & 7)
    return max(data[at + 5 : at + 5 + data[at + 4]], default=0) if kind == b"pixi" else 0


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")


def _tiles(data: bytes, start: int, end: int) -> list[tuple[int, int]]:
    """Which item each derived item is made of."""
    wide = 2 if data[start] == 0 else 4
    found = []
    for kind, a, b in _boxes(data, start + 4, end):
        if kind == b"dimg":
            whole, count = _number(data, a, wide), _number(data, a + wide, 2)
            first = a + wide + 2
            found += [(whole, _number(data, k, wide)) for k in range(first, min(first + count * wide, b), wide)]
    return found


def _owned(data: bytes, start: int, end: int) -> dict[int, list[int]]:
    """The properties of each item, counted from 1."""
    version, wide_index = data[start], data[start + 3] & 1
    count, at = _number(data, start + 4, 4), start + 8
    item_size, index_size = 2 if version == 0 else 4, 1 + wide_index
    owned: dict[int, list[int]] = {}
    for _ in range(count):
        if at + item_size >= end:
            break
        item, many = _number(data, at, item_size), data[at + item_size]
        at += item_size + 1
        mask = 0x7FFF if wide_index else 0x7F  # the first bit: whether a reader must know it
        owned[item] = [_number(data, at + k * index_size, index_size) & mask for k in range(many)]
        at += many * index_size
    return owned


@dataclass
class _Bits:
    """Numbers from a row of bits, each byte's lowest first."""

    data: bytes
    at: int = field(default=0)

    def take(self, count: int) -> int:
        if self.at + count > 8 * len(self.data):
            raise Damaged("its header is cut short")
        whole = int.from_bytes(self.data[self.at // 8 : (self.at + count + 7) // 8], "little")
        value = whole >> self.at % 8 & (1 << count) - 1
        self.at += count
        return value

    def one_of(self, *kinds: tuple[int, int]) -> int:
        """A number of one of four kinds (least, bits), which two bits name."""
        least, bits = kinds[self.take(2)]
        return least + self.take(bits)


def _read_jxl(data: bytes) -> Header:
    """Of a naked codestream, or of one in boxes."""
    header = Header()
    stream = data[:200]
    if not data.startswith(b"\xff\x0a"):
        stream = b""
        for kind, a, b in _boxes(data, 0, len(data)):
            header.gain_map |= kind == b"jhgm"
            if kind in (b"jxlc", b"jxlp") and len(stream) < 200:
                stream += data[a + 4 * (kind == b"jxlp") : b][:200]
    if not stream.startswith(b"\xff\x0a"):
        raise Damaged("no codestream in it")
    bits = _Bits(stream[2:])
    height, width = _jxl_size(bits)
    header.pixels = height * width
    if bits.take(1):  # all as usual: 8 bits, no other channels, one frame
        return header
    if bits.take(1):
        bits.take(3)  # the orientation: the decoder's matter
        if bits.take(1):
            _jxl_size(bits)  # how large it is to be shown
        if bits.take(1):
            _skip_preview(bits)
        header.animated = bool(bits.take(1))
        if header.animated:
            bits.one_of((100, 0), (1000, 0), (1, 10), (1, 30))
            bits.one_of((1, 0), (1001, 0), (1, 8), (1, 10))
            bits.one_of((0, 0), (0, 3), (0, 16), (0, 32))
            bits.take(1)
    if bits.take(1):  # floating point
        header.bits = bits.one_of((32, 0), (16, 0), (24, 0), (1, 6))
        bits.take(4)
    else:
        header.bits = bits.one_of((8, 0), (10, 0), (12, 0), (1, 6))
    bits.take(1)
    header.extra = bits.one_of((0, 0), (1, 0), (2, 4), (1, 12))
    return header


def _jxl_size(bits: _Bits) -> tuple[int, int]:
    """(height, width)."""

    def side(eighths: int) -> int:
        return 8 * (1 + bits.take(5)) if eighths else bits.one_of((1, 9), (1, 13), (1, 18), (1, 30))

    eighths = bits.take(1)
    height = side(eighths)
    ratio = bits.take(3)
    across, down = _RATIOS[ratio]
    return height, height * across // down if ratio else side(eighths)


def _skip_preview(bits: _Bits) -> None:
    eighths = bits.take(1)
    kinds = ((16, 0), (32, 0), (1, 5), (33, 9)) if eighths else ((1, 6), (65, 8), (321, 10), (1345, 12))
    bits.one_of(*kinds)
    if not bits.take(3):
        bits.one_of(*kinds)
