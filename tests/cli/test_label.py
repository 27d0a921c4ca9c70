"""`rankiqa label` as a process: it serves, is killed, goes on, and has not imported PyTorch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from rankiqa.study.vote_file import VoteFile
from rankiqa.web.opening import open_study

ROOT = Path(__file__).parents[2]
CODE = "import sys; sys.modules['torch'] = None; from rankiqa.cli import main; sys.exit(main())"


def start(folder, out, *more):
    """The process and the address of its page."""
    command = [
        sys.executable,
        "-c",
        CODE,
        "label",
        str(folder),
        "--out",
        str(out),
        "--no-browser",
        "--port",
        "0",
        *more,
    ]
    process = subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if line.startswith("open "):
            return process, line.split()[1]
    pytest.fail(process.stderr.read())


def post(address, what, **body):
    request = urllib.request.Request(f"{address}api/{what}", json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_it_serves_until_it_is_stopped_and_goes_on(photo_folder, tmp_path):
    pytest.importorskip("uvicorn")
    (photo_folder / "broken.png").write_bytes(b"nothing")
    out, answers = tmp_path / "votes.sqlite", []
    for how, status in ((signal.SIGKILL, -9), (signal.SIGTERM, 0)):
        process, address = start(photo_folder, out)
        question = post(address, "next", rater="Ada", page="p")["questions"][0]
        photos = [photo["n"] for photo in question["photos"]]
        vote = {"rater": "Ada", "uid": question["uid"], "photos": photos, "answer": "left"}
        assert post(address, "vote", **vote)["counted"]
        answers.append(address.rsplit("/", 2)[1])
        other = post(address, "next", rater="Bo", page="q")["questions"][0]  # who takes back his only vote has none
        photos = [photo["n"] for photo in other["photos"]]
        post(address, "vote", rater="Bo", uid=other["uid"], photos=photos, answer="tie")
        post(address, "undo", rater="Bo", page="q", uid=other["uid"])
        process.send_signal(how)
        said, errors = process.communicate(timeout=30)
        assert process.returncode == status
        assert "left out: " in errors and "broken.png: not an image" in errors
        assert status or f"{len(answers)} votes of 1 rater in {out}, of about " in said
        assert status or "a scale of all photos needs some 3 votes" in said
    assert len(set(answers)) == 1  # the token
    with VoteFile(out) as votes:
        assert len(votes.comparisons()) == 2
        assert all(photo.sha256 for photo in votes.photos)


def test_a_photo_that_is_gone_is_told_of_once(photo_folder, tmp_path):
    pytest.importorskip("uvicorn")
    out = tmp_path / "votes.sqlite"
    open_study(photo_folder, out, said=lambda text: None).votes.close()
    gone = next(photo_folder.rglob("*.png"))
    gone.unlink()
    process, address = start(photo_folder, out)
    end = time.monotonic() + 30
    while not post(address, "next", rater="Ada", page="p")["left_out"]:  # until the server has looked for it too
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert errors == f"left out: {gone}: was a photo of the study and is not there any more\n"


def test_a_prior_has_a_number_for_each_photo(photo_folder, tmp_path, monkeypatch):
    import argparse
    from types import SimpleNamespace

    import rankiqa
    from rankiqa.cli.label import _scores
    from rankiqa.errors import InputError
    from rankiqa.web.opening import open_study

    study = open_study(photo_folder, tmp_path / "votes.sqlite", said=lambda text: None)
    study.votes.close()
    study.usable.remove(0)  # it is gone by now
    asked = []

    class Scorer:
        def score_files(self, paths):
            for path in paths:
                asked.append(path.relative_to(photo_folder).as_posix())
                yield InputError("is too small") if asked[-1] == "x.png" else SimpleNamespace(value=3.0)

    monkeypatch.setattr(rankiqa, "load", lambda name: Scorer())
    options = argparse.Namespace(photos=photo_folder, prior="ranks")
    for _ in range(2):  # the second time nothing is scored
        assert _scores(options, study) == [3.0, 3.0, 3.0]
        assert asked == ["b/x.png", "x.png"]
    os.utime(photo_folder / "x.png", (1, 1))
    assert _scores(options, study) == [3.0, 3.0, 3.0] and asked[2:] == ["x.png"]
    options.prior = "default"
    assert _scores(options, study) == [3.0, 3.0, 3.0] and asked[3:] == ["b/x.png", "x.png"]
    options.prior = "ranks"
    kept = tmp_path / "votes.sqlite.prior.csv"
    kept.write_text(kept.read_text().replace(",3.0\n", ",much\n", 1))  # a damaged row is scored anew
    assert _scores(options, study) == [3.0, 3.0, 3.0] and asked[5:] == ["b/x.png"]


def test_scores_that_were_made_are_kept_where_the_rest_is_not(photo_folder, tmp_path, monkeypatch):
    import argparse
    from types import SimpleNamespace

    import rankiqa
    from rankiqa.cli.label import _scores
    from rankiqa.web.opening import open_study

    study = open_study(photo_folder, tmp_path / "votes.sqlite", said=lambda text: None)
    study.votes.close()
    asked = []

    class Scorer:
        def score_files(self, paths):
            for path in paths:
                asked.append(path)
                if len(asked) == 2:
                    raise KeyboardInterrupt
                yield SimpleNamespace(value=float(len(asked)))

    monkeypatch.setattr(rankiqa, "load", lambda name: Scorer())
    options = argparse.Namespace(photos=photo_folder, prior="default")
    with pytest.raises(KeyboardInterrupt):
        _scores(options, study)
    assert _scores(options, study) == [1.0, 3.0, 4.0] and len(asked) == 4


@pytest.mark.parametrize("own", [None, "3"])
def test_choosing_takes_one_thread_unless_told_otherwise(own, tmp_path):
    ask = (
        "import os, sys; from rankiqa.cli import label\n"
        "assert 'numpy' not in sys.modules, 'NumPy has read its environment'\n"
        "label.main(['nosuch', '--out', 'votes.sqlite']); print(os.environ['OPENBLAS_NUM_THREADS'])"
    )
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    environment |= {"OPENBLAS_NUM_THREADS": own} if own else {}
    done = subprocess.run([sys.executable, "-c", ask], cwd=tmp_path, env=environment, text=True, capture_output=True)
    assert (done.returncode, done.stdout.strip()) == (0, own or "1"), done.stderr
