"""Names of a package that are imported when they are asked for.

So that a part of it that is there at once, as where a model lies, does not wait for PyTorch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def on_demand(package: str, homes: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """The `__getattr__` of a package (PEP 562) whose names come from its modules.

    Args:
        package: its `__name__`.
        homes: module of the package → the names that it has for it.

    >>> on_demand("rankiqa.metrics", {"correlation": ["srocc"]})("srocc").__module__
    'rankiqa.metrics.correlation'
    """
    home = {name: f"{package}.{module}" for module, names in homes.items() for name in names}

    def get(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(home[name]), name)
        setattr(sys.modules[package], name, value)  # asked for once
        return value

    return get
