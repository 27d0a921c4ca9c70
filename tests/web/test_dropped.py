"""The folder of dropped photos, and what killed processes have left of theirs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rankiqa.web.dropped import PREFIX, DroppedFolder
from tests.launching import environment

ROOT = Path(__file__).parents[2]
CODE = """\
import sys
from rankiqa.web.dropped import DroppedFolder
folder = DroppedFolder()
print(folder.path, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch) -> Path:
    """The folder of temporary files, an empty one."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def other(temporary: Path) -> Iterator[tuple[subprocess.Popen, Path]]:
    """Another process with a photo in its folder."""
    env = environment(PYTHONPATH=str(ROOT), TMPDIR=str(temporary))
    process = subprocess.Popen(
        [sys.executable, "-c", CODE], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    path = Path(process.stdout.readline().strip())
    (path / "000001").write_bytes(b"photo")
    yield process, path
    process.kill()
    process.communicate()


def test_what_a_killed_process_has_left_is_removed_and_of_no_living_one(other, temporary):
    process, path = other
    mine = DroppedFolder()
    assert path.parent == temporary and (path / "000001").exists()
    process.kill()
    process.wait()
    assert path.exists()
    again = DroppedFolder()
    assert not path.exists() and mine.path.exists() and mine.path != again.path
    for folder in (mine, again, again):  # a second time does nothing
        folder.remove()
    assert list(temporary.iterdir()) == []


def test_a_process_that_ends_leaves_nothing(other, temporary):
    process, path = other
    process.communicate("")
    assert process.returncode == 0 and not path.exists()


def test_nothing_but_own_folders_is_removed(temporary, monkeypatch):
    (temporary / "elsewhere").mkdir()
    (temporary / f"{PREFIX}link").symlink_to("elsewhere")
    (temporary / f"{PREFIX}file").write_text("text")
    (temporary / "rankiqa-other").mkdir()
    (temporary / f"{PREFIX}theirs").mkdir()
    before = {path.name for path in temporary.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(os, "getuid", lambda: os.stat(temporary).st_uid + 1)
        DroppedFolder().remove()
    assert {path.name for path in temporary.iterdir()} == before
    DroppedFolder().remove()
    assert {path.name for path in temporary.iterdir()} == before - {f"{PREFIX}theirs"}
