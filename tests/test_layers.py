"""A package imports only from those before it; the order is that of the map in README.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
LIBRARY = REPOSITORY / "rankiqa"

MAP = re.compile(r"^```\w*\nrankiqa/\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINE = re.compile(r"^  (\w+)/ ", re.MULTILINE)


def read_order(text: str) -> list[str]:
    """The packages in the order of the map of a README."""
    block = MAP.search(text)
    assert block, "README.md has no fenced block that begins with rankiqa/"
    return LINE.findall(block[1])


def packages() -> set[str]:
    return {path.parent.name for path in LIBRARY.glob("*/__init__.py")}


def imported(source: str, module: Sequence[str]) -> Iterator[tuple[int, str]]:
    """(line, part of rankiqa) of every import in a source, those inside functions too.

    `module` says where the source is, as ("rankiqa", "cli", "score"), to follow relative imports.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = [*module[: -node.level]] if node.level else []
            start += node.module.split(".") if node.module else []
            names = [[*start, alias.name] for alias in node.names]
        else:
            continue
        for first, *rest in names:
            if first == "rankiqa" and rest:
                yield node.lineno, rest[0]


def wrong_imports(source: str, module: Sequence[str], order: Sequence[str]) -> list[tuple[int, str]]:
    """(line, package) of the imports that go from a module to a later package.

    A module directly under rankiqa/ comes before all packages, a package that `order` lacks after all.
    """
    place = {package: k for k, package in enumerate(order)}
    here = place.get(module[1], len(order)) if len(module) > 2 else -1
    return [(line, part) for line, part in imported(source, module) if place.get(part, -1) > here]


def modules() -> Iterator[tuple[Path, list[str]]]:
    for path in sorted(LIBRARY.rglob("*.py")):
        if path != LIBRARY / "__init__.py":  # which gives what users ask for, wherever it is
            yield path, [*path.relative_to(REPOSITORY).with_suffix("").parts]


ORDER = read_order((REPOSITORY / "README.md").read_text(encoding="utf-8"))


def test_the_map_lists_every_package_once():
    assert sorted(ORDER) == sorted(packages())


def test_no_import_goes_to_a_later_package():
    wrong = [
        f"{path.relative_to(REPOSITORY)}:{line}: imports rankiqa.{package}, which comes later"
        for path, module in modules()
        for line, package in wrong_imports(path.read_text(encoding="utf-8"), module, ORDER)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from rankiqa.scoring.scorer import Scorer", [(1, "scoring")]),
        ("import os\nimport rankiqa.cli as commands", [(2, "cli")]),
        ("def f():\n    from rankiqa import images, training", [(2, "training")]),
        ("from rankiqa.models.build import build_model\nfrom rankiqa import images, load\nimport numpy", []),
        ("from .. import scoring", [(1, "scoring")]),
        ("from ..scoring.scorer import Scorer", [(1, "scoring")]),
        ("from .build import build", []),
        ("if TYPE_CHECKING:\n    from rankiqa.metrics import correlation", [(2, "metrics")]),
    ],
)
def test_the_check_finds_what_goes_to_a_later_package(source, found):
    order = ["images", "models", "metrics", "scoring", "training", "cli"]
    assert wrong_imports(source, ("rankiqa", "models", "nima"), order) == found


def test_the_check_lets_no_package_into_the_modules_before_all():
    assert wrong_imports(
        "from rankiqa.images import crops\nimport rankiqa.errors", ("rankiqa", "files"), ["images"]
    ) == [(1, "images")]


def test_the_order_is_that_of_the_map():
    other, block = (
        "```\nelsewhere/\n```",
        "```\nrankiqa/\n  images/   pixels\n            more\n  cli/      commands\n```",
    )
    text = f"# A title\n\n{other}\n\n{block}\n"
    assert read_order(text) == ["images", "cli"]
