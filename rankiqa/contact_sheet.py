"""A picture of a ranked set: one photo, a row a distortion type, a column a level."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from rankiqa.distortions import DISTORTIONS
from rankiqa.images import read_image, write_atomically
from rankiqa.ranked_set import RankedSet

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
    levels = ranked_set.levels
    columns = max(map(len, levels.values()))
    pitch = (_CROP + _GAP, _CROP + _LABEL + _GAP)
    sheet = Image.new("RGB", (_SIDE + columns * pitch[0], _LABEL + len(levels) * pitch[1] + _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    font, bold = _font("DejaVuSans.ttf", 14), _font("DejaVuSans-Bold.ttf", 16)
    draw.text((_SIDE, 4), f"{reference}, centre {_CROP}×{_CROP} pixels", "black", font)
    for i, (name, of_type) in enumerate(levels.items()):
        top = _LABEL + i * pitch[1]
        distortion = DISTORTIONS.get(name)
        title = f"{name}: {distortion.title}" if distortion and distortion.title != name else name
        _draw_upwards(sheet, title, bold, (0, top + _LABEL), (_SIDE, _CROP))
        for j, level in enumerate(of_type):
            left = _SIDE + j * pitch[0]
            label = "level 0: pristine"
            if level:
                row = ranked_set.table.query(
                    "reference == @reference and distortion == @name and level == @level"
                ).iloc[0]
                label = f"level {level}: " + (distortion.label(row.strength) if distortion else f"{row.strength:.3g}")
            draw.text((left, top + 4), label, "black", font)
            image = read_image(ranked_set.row_path(reference, name, level))
            sheet.paste(Image.fromarray(_centre(image)), (left, top + _LABEL))
    return sheet


def _centre(image: np.ndarray) -> np.ndarray:
    top, left = (max(0, (side - _CROP) // 2) for side in image.shape[:2])
    return np.ascontiguousarray(image[top : top + _CROP, left : left + _CROP])


def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    import matplotlib  # brings fonts that have σ and ×

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


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
