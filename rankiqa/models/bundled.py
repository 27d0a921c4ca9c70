"""The models that come with the package, by their names."""

from __future__ import annotations

from pathlib import Path

DEFAULT, RANKS = "default", "ranks"
_FOLDER = Path(__file__).parents[1] / "bundled"
# default learned from ranks and from people's scores, ranks from ranks alone. Each has a card: README.md.
BUNDLED: dict[str, Path] = {name: _FOLDER / name for name in (DEFAULT, RANKS)}
