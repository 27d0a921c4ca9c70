"""Packages that only some uses need: the extras of the installation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class MissingExtra(ImportError):
    """A package of an extra is not installed; the message, one line, says how to get it.

    Attributes:
        name: the package.
        extra: the extra of rankiqa that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f'the package {package} is needed for this: pip install "rankiqa[{extra}]"', name=package)
        self.extra = extra


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Import what the extra `name` brings; `MissingExtra` where it is not there.

    >>> with extra("report"):
    ...     import jinja2
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "rankiqa"):  # a fault of ours
            raise
        raise MissingExtra(package, name) from error
