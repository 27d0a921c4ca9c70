"""A picture of a ranked set: one photo, a row a distortion type, a column a level."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from rankiqa.distortions import DISTORTIONS
from rankiqa.extras import extra
from rankiqa.files import write_atomically
from rankiqa.ranks.ranked_set import RankedSet

SHEET = "sheet.png"
_CROP = 224  # pixels
_GAP, _LABEL, _SIDE = 6, 22, 34


def write_sheet(ranked_set: RankedSet, reference: str | None = None) -> Path:
    """Write `sheet.png` into the set's folder: centre crops at native size, level 0 at the left.

    `reference` is the photo to show; the first one if not given. Returns the path.
    """
    reference = reference or ranked_set.references[0]
    sheet = draw_sheet(ranked_set, reference)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=False)
    path = ranked_set.folder / SHEET
    write_atomically(path, buffer.getvalue())
    return path


def draw_sheet(ranked_set: RankedSet, reference: str) -> Image.Image:
    """The picture that `write_sheet` writes, RGB."""
    rows = []
    for name, levels in ranked_set.levels.items():
        cells = []
        for level in levels:
            strength = None
            if level:
                found = ranked_set.table.query("reference == @reference and distortion == @name and level == @level")
                strength = found["strength"].iloc[0]
            cells.append((level_label(name, level, strength), ranked_set.image(reference, name, level)))
        rows.append((row_title(name), cells))
    return draw_rows(f"{reference}, centre {_CROP}×{_CROP} pixels", rows)


def row_title(name: str) -> str:
    """The type for readers, such as `GB: Gaussian blur`."""
    distortion = DISTORTIONS.get(name)
    return f"{name}: {distortion.title}" if distortion and distortion.title != name else name


def level_label(name: str, level: int, strength: float | None) -> str:
    """What stands above an image, such as `level 1: σ 1.2 px`; a pristine one has no strength."""
    if strength is None:
        return "level 0: pristine"
    distortion = DISTORTIONS.get(name)
    return f"level {level}: " + (distortion.label(strength) if distortion else f"{strength:.3g}")


def draw_rows(
    heading: str, rows: Sequence[tuple[str, Sequence[tuple[str, np.ndarray]]]], crop: int = _CROP
) -> Image.Image:
    """A picture of images, RGB: centre crops at native size, each row with a title at its side.

    `rows` holds (title, cells), and a cell is (label, uint8 H×W×3 image).
    """
    columns = max(len(cells) for _, cells in rows)
    pitch = (crop + _GAP, crop + _LABEL + _GAP)
    sheet = Image.new("RGB", (_SIDE + columns * pitch[0], _LABEL + len(rows) * pitch[1] + _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    font, bold = _font("DejaVuSans.ttf", 14 if crop > 160 else 11), _font("DejaVuSans-Bold.ttf", 16)
    draw.text((_SIDE, 4), heading, "black", font)
    for i, (title, cells) in enumerate(rows):
        top = _LABEL + i * pitch[1]
        _draw_upwards(sheet, title, _fitted(bold, title, crop), (0, top + _LABEL), (_SIDE, crop))
        for j, (label, image) in enumerate(cells):
            left = _SIDE + j * pitch[0]
            draw.text((left, top + 4), label, "black", _fitted(font, label, crop))
            sheet.paste(Image.fromarray(_centre(image, crop)), (left, top + _LABEL))
    return sheet


def _centre(image: np.ndarray, crop: int) -> np.ndarray:
    top, left = (max(0, (side - crop) // 2) for side in image.shape[:2])
    return np.ascontiguousarray(image[top : top + crop, left : left + crop])


def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    with extra("train"):
        import matplotlib  # brings fonts that have σ and ×

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


def _fitted(font: ImageFont.FreeTypeFont, text: str, width: int) -> ImageFont.FreeTypeFont:
    """`font`, smaller if the text would be wider than `width` pixels."""
    return font.font_variant(size=min(font.size, int(font.size * width / max(font.getlength(text), 1))))


def _draw_upwards(
    sheet: Image.Image,
    text: str,
    font: ImageFont.FreeTypeFont,
    corner: tuple[int, int],
    size: tuple[int, int],
) -> None:
    strip = Image.new("RGB", (size[1], size[0]), "white")
    ImageDraw.Draw(strip).text((size[1] / 2, size[0] / 2), text, "black", font, anchor="mm")
    sheet.paste(strip.transpose(Image.Transpose.ROTATE_90), corner)
