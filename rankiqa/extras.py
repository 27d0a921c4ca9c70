"""Packages that only some uses need: the extras of the installation."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

# What is installed, where it is called otherwise than what is imported.
_INSTALLED = {
    "google": "protobuf",
    "yaml": "pyyaml",
    "distributed": "dask",
    "onnx_ir": "onnx-ir",
    "pillow_heif": "pillow-heif",
    "pillow_jxl": "pillow-jxl-plugin",
}


class MissingExtra(ImportError):
    """A package of an extra is not installed, or does not work; the message, one line, says how to get it.

    Attributes:
        name: the package, as it is imported.
        extra: the extra of rankiqa that brings it.
        purpose: what it is needed for.
        called: the package, as it is installed.
        cure: the command that installs it.
    """

    def __init__(self, package: str, extra: str, purpose: str = "this") -> None:
        self.extra, self.purpose, self.cure = extra, purpose, f'pip install "rankiqa[{extra}]"'
        self.called = _INSTALLED.get(package, package)
        super().__init__(f"the package {self.called} is needed for {purpose}: {self.cure}", name=package)

    def __reduce__(self) -> tuple:
        return type(self), (self.name, self.extra, self.purpose)


class BrokenExtra(MissingExtra):
    """What an extra brings is installed and cannot be imported, as for a library of the system that is not there.

    Attributes:
        reason: what Python says, in one line.
    """

    def __init__(self, package: str, extra: str, purpose: str, reason: str) -> None:
        super().__init__(package, extra, purpose)
        self.reason, self.cure = reason, f'pip install --force-reinstall "rankiqa[{extra}]"'
        self.msg = f"what the extra {extra} brings for {purpose} cannot be imported ({reason}): {self.cure}"
        self.args = (self.msg,)

    def __reduce__(self) -> tuple:
        return type(self), (self.name, self.extra, self.purpose, self.reason)


@contextmanager
def extra(name: str, purpose: str = "this") -> Iterator[None]:
    """Import what the extra `name` brings; `MissingExtra` where it is not there, or `BrokenExtra` where it fails.

    >>> with extra("report"):
    ...     import jinja2
    """
    try:
        yield
    except MissingExtra:
        raise
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        missing = isinstance(error, ModuleNotFoundError)
        if package == "rankiqa" or (missing and not package):  # a fault of ours
            raise
        if missing:
            raise MissingExtra(package, name, purpose) from error
        raise BrokenExtra(package, name, purpose, " ".join(str(error).split())[:200]) from error


def need(name: str, *packages: str) -> None:
    """Raise `MissingExtra` for the first of these packages of an extra that is not there, without importing any.

    For the start of long work that needs them at its end.
    """
    for package in packages:
        with extra(name):
            if importlib.util.find_spec(package) is None:
                raise MissingExtra(package, name)
