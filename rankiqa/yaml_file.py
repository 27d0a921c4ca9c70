"""YAML files, from whoever sent them."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

from rankiqa.errors import InputError
from rankiqa.extras import extra

MOST_BYTES = 1 << 20


def read_yaml(path: str | os.PathLike[str]) -> Any:
    """What a YAML file holds, as plain values, lists and mappings; dates stay text, as jsonargparse reads them.

    Raises `InputError` that names the file where it is missing, too large, or no YAML, and for a tag that would make
    any other object.
    """
    with extra("train"):
        import yaml

    try:
        if Path(path).stat().st_size > MOST_BYTES:
            raise InputError(f"{path}: has more than {MOST_BYTES:,} bytes, far too many for settings")
        return yaml.load(Path(path).read_text(encoding="utf-8"), _loader())
    except InputError:
        raise
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from error


@functools.cache
def _loader() -> type:
    """PyYAML's safe loader, in C where there is one, without timestamps."""
    import yaml

    loader = type("Loader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {})
    loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in loader.yaml_implicit_resolvers.items()
    }
    return loader
