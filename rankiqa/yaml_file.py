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

    Raises:
        InputError: the file is missing, too large or no YAML, or has a tag that would make any other object.
    """
    with extra("train"):
        import yaml

    try:
        if Path(path).stat().st_size > MOST_BYTES:
            raise InputError(f"has more than {MOST_BYTES:,} bytes, far too many for settings", path=path)
        return yaml.load(Path(path).read_text(encoding="utf-8"), _loader())
    except InputError:
        raise
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise InputError(f"cannot be read as YAML: {' '.join(str(error).split())}", path=path) from error


@functools.cache
def _loader() -> Any:
    """PyYAML's safe loader, a class, in C where there is one, without timestamps."""
    import yaml

    loader: Any = type("Loader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {})
    loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in loader.yaml_implicit_resolvers.items()
    }
    return loader
