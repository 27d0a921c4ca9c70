"""Every address of the library that a page, a recipe, a comment or a piece of code in a string names is there."""

import importlib
import re
import subprocess

import pytest

from tests.docs.pages import REPOSITORY

ADDRESS = re.compile(r"(?<![\w./@-])rankiqa((?:\.[A-Za-z_]\w*)+)")
IMPORT = re.compile(r"from (rankiqa[\w.]*) import ([\w, ]+)")
FILE = re.compile(r"(?<![\w./-])rankiqa/[\w/]+\.\w+")
NOWHERE = {"rankiqa.nosuch"}  # of a test of what is not there
SUFFIXES = {".py", ".md", ".yaml", ".yml", ".cfg", ".toml", ".sh", ".j2", ".cff"}


def texts():
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        path = REPOSITORY / name
        if path.suffix in SUFFIXES and path.is_file() and name != "CHANGELOG.md":  # which tells of the old ones
            yield name, path.read_text(encoding="utf-8")


def is_there(address: str) -> bool:
    parts = address.split(".")
    for k in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:k]))
        except ImportError:
            continue
        for name in parts[k:]:
            if not hasattr(found, name):
                # of a dataclass without a default, and what an instance has
                return name in getattr(found, "__annotations__", {})
            found = getattr(found, name)
        return True
    return False


@pytest.mark.skipif(not (REPOSITORY / ".git").exists(), reason="needs git's list of files")
def test_every_address_leads_somewhere():
    wrong = []
    for name, text in texts():
        addresses = {f"rankiqa{match[1]}" for match in ADDRESS.finditer(text)}
        for match in IMPORT.finditer(text):
            addresses |= {f"{match[1]}.{part.split(' as ')[0].strip()}" for part in match[2].split(",") if part.strip()}
        wrong += [f"{name}: {address}" for address in sorted(addresses - NOWHERE) if not is_there(address)]
        wrong += [
            f"{name}: {file}" for file in FILE.findall(text) if "NAME" not in file and not (REPOSITORY / file).exists()
        ]
    assert not wrong, "\n".join(wrong)
