"""Decoded images in a folder: the same pixels, a bounded number of bytes, several sets and processes."""

import multiprocessing

import numpy as np
import pytest

from rankiqa.errors import InputError
from rankiqa.images import decoded
from rankiqa.images.decoded import Decoded

KEYS = [f"pixels-{digit * 64}" for digit in "0123"]
IMAGE = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
SIZE = 16 + IMAGE.size


def never():
    raise AssertionError("it is there already")


def keep(folder, key=KEYS[0], image=IMAGE, genuine=True):
    return folder.pixels(key, lambda: image, lambda _: genuine)


def entries(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix == ".rgb")


@pytest.fixture(autouse=True)
def notes(monkeypatch):
    found = []
    monkeypatch.setattr(decoded, "note", lambda path, text: found.append((path, text)))
    return found


def test_an_image_is_decoded_once_and_read_from_then_on(tmp_path):
    folder = Decoded.open(tmp_path / "new" / "folder", 10**6)
    assert keep(folder) is IMAGE
    kept = folder.pixels(KEYS[0], never, never)
    np.testing.assert_array_equal(kept, IMAGE)
    assert kept.shape == IMAGE.shape and kept.dtype == np.uint8 and not kept.flags.writeable
    np.testing.assert_array_equal(Decoded.open(folder.folder, 0).pixels(KEYS[0], never, never), IMAGE)


def test_what_is_not_what_its_key_says_is_not_kept(tmp_path):
    folder = Decoded.open(tmp_path, 10**6)
    keep(folder, genuine=False)
    for key in ("", "pixels-12", "../pixels-" + "0" * 64, "pixels-" + "G" * 64):
        assert keep(folder, key) is IMAGE
    assert not entries(tmp_path)


def test_its_bytes_are_bounded(tmp_path, notes):
    folder = Decoded.open(tmp_path, 2 * SIZE)
    for key in KEYS:
        np.testing.assert_array_equal(keep(folder, key), IMAGE)
    assert len(entries(tmp_path)) == 2 and folder.full
    assert sum(path.stat().st_size for path in tmp_path.glob("*.rgb")) == 2 * SIZE
    assert notes == [(tmp_path, "is full: what is not in its 2.42e-07 GB is decoded each time")]
    # What was there before counts, and what was removed does not.
    again = Decoded.open(tmp_path, 2 * SIZE)
    (tmp_path / entries(tmp_path)[0]).unlink()
    keep(again, KEYS[3])
    assert again.full and len(entries(tmp_path)) == 1
    keep(Decoded.open(tmp_path, 2 * SIZE), KEYS[3])
    assert len(entries(tmp_path)) == 2


@pytest.mark.parametrize("damage", [b"", b"rankiqa1", None, b"x" * SIZE])
def test_a_damaged_entry_is_made_anew(tmp_path, damage):
    folder = Decoded.open(tmp_path, 10**6)
    keep(folder)
    entry = tmp_path / entries(tmp_path)[0]
    entry.write_bytes(entry.read_bytes()[:-1] if damage is None else damage)
    assert keep(folder) is IMAGE
    np.testing.assert_array_equal(folder.pixels(KEYS[0], never, never), IMAGE)


def test_a_folder_that_cannot_be_written_is_said_before_and_borne_later(tmp_path, monkeypatch, notes):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        Decoded.open(tmp_path / "file" / "folder", 10**6)
    folder = Decoded.open(tmp_path, 10**6)

    def no_space(path, data):
        raise InputError("No space left on device", path=path)

    monkeypatch.setattr(decoded, "write_atomically", no_space)
    assert keep(folder) is IMAGE and folder.full and not entries(tmp_path)
    assert len(notes) == 1 and "No space left on device" in notes[0][1]


def _fill(folder, start):
    mine = Decoded(folder, 20 * SIZE)
    start.wait()
    for number in range(40):
        image = mine.pixels(f"pixels-{number:064x}", lambda: IMAGE, lambda _: True)
        assert np.array_equal(image, IMAGE)


def test_several_processes_fill_one_folder(tmp_path):
    Decoded.open(tmp_path, 20 * SIZE)
    fork = multiprocessing.get_context("fork")
    start = fork.Barrier(4)
    processes = [fork.Process(target=_fill, args=(tmp_path, start)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    # Two that decode the same image both take its room: there may be fewer, never more.
    assert 5 <= len(entries(tmp_path)) <= 20
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".rgb") == [".writable", "bytes.txt"]
