"""The version of the package, here and nowhere else, and those of the packages that it works with."""

from __future__ import annotations

from collections.abc import Iterable

__version__ = "0.1.0"


def versions(names: Iterable[str]) -> dict[str, str]:
    """The version of rankiqa, then those of the packages of `names` that are installed.

    Args:
        names: of packages as pip calls them, in any case.
    """
    from importlib.metadata import PackageNotFoundError, version

    found = {"rankiqa": __version__}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
