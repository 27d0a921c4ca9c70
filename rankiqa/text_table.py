"""Tables as text: columns side by side."""

from __future__ import annotations

from collections.abc import Sequence


def text_table(rows: Sequence[Sequence[str]], align: str) -> str:
    """Rows as lines whose columns stand below each other, two spaces apart.

    Args:
        rows: of equal length; the first is the heading.
        align: "<" or ">" for each column: where its texts stand.

    >>> print(text_table([("type", "n"), ("blur", "12"), ("ALL", "120")], "<>"))
    type    n
    blur   12
    ALL   120
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = [[f"{cell:{side}{width}}" for cell, side, width in zip(row, align, widths, strict=True)] for row in rows]
    return "\n".join("  ".join(line).rstrip() for line in cells)
