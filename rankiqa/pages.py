"""HTML pages out of the templates in rankiqa/templates: one file each, which needs no network."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

from rankiqa.extras import extra

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"


def environment() -> Environment:
    """Where the templates are found. What they are given is text, never markup: an image may be called anything."""
    with extra("report"):
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def data_address(data: bytes, kind: str) -> str:
    """The bytes of a file as an address that needs no file; `kind` is its media type, such as image/png."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
