"""A study of the three small photographs, a client of its pages, and a browser that looks at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rankiqa.study.vote_file import VoteFile
from rankiqa.web.labelling import label_app
from rankiqa.web.modes import make_mode
from rankiqa.web.opening import open_study
from rankiqa.web.pictures import Pictures
from rankiqa.web.serving import token_of
from rankiqa.web.session import Session
from tests.web.browser import Browser, Served, browsing

SECRET = b"s" * 32
TOKEN = token_of(SECRET)


class Pages:
    """What `rankiqa label` puts together, asked without a network."""

    def __init__(self, folder: Path, out: Path, mode: str = "compare", limit: int = 8) -> None:
        from starlette.testclient import TestClient

        study = open_study(folder, out, said=lambda text: None)
        self.votes, self.problems = study.votes, study.problems
        self.mode = make_mode(mode, study.votes, study.usable, None, limit)
        self.session = Session(study.votes, self.mode, SECRET)
        self.pictures = Pictures(
            folder, study.votes.photos, hashed=study.votes.set_hashes, broken=self.session.leave_out, workers=1
        )
        self.app = label_app(self.session, self.pictures, mode, SECRET, "rankiqa scale")
        self.client = TestClient(self.app, f"http://test/{TOKEN}/")

    def get(self, path: str) -> Any:
        return self.client.get(path)

    def post(self, what: str, **body: Any) -> Any:
        return self.client.post(f"api/{what}", json=body)

    def ask(self, rater: str = "Ada", page: str = "p", **more: Any) -> dict[str, Any]:
        answer = self.post("next", rater=rater, page=page, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def vote(self, question: dict[str, Any], answer: Any, rater: str = "Ada", **more: Any) -> Any:
        photos = [photo["n"] for photo in question["photos"]]
        body = {"rater": rater, "uid": question["uid"], "photos": photos, "answer": answer, "seconds": 1.5}
        return self.post("vote", **(body | more))

    def close(self) -> None:
        self.pictures.close()
        self.votes.close()


@pytest.fixture
def pages(photo_folder: Path, tmp_path: Path) -> Iterator[Callable[..., Pages]]:
    """Makes the pages of the study; called again, it goes on with the file as after a kill."""
    pytest.importorskip("starlette")
    with ExitStack() as stack:

        def make(**options: Any) -> Pages:
            made = Pages(photo_folder, tmp_path / "votes.sqlite", **options)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def vote_file(photo_folder: Path, tmp_path: Path) -> Iterator[VoteFile]:
    study = open_study(photo_folder, tmp_path / "votes.sqlite", said=lambda text: None)
    with study.votes:
        yield study.votes


@pytest.fixture(scope="module")
def shared() -> Iterator[Browser]:
    """A browser for all tests of a file."""
    with browsing() as browser:
        yield browser


@pytest.fixture
def browser(shared: Browser) -> Browser:
    """That browser, with an empty page."""
    shared.driver.get("about:blank")
    shared.complaints()
    return shared


@pytest.fixture
def label(photo_folder: Path, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts `rankiqa label` of the study."""
    pytest.importorskip("uvicorn")
    running = []

    def start(*options: str) -> Served:
        running.append(Served("label", str(photo_folder), "--out", str(tmp_path / "votes.sqlite"), *options))
        return running[-1]

    yield start
    for served in running:
        served.kill()


@pytest.fixture
def votes(tmp_path: Path) -> Callable[[], list]:
    """Reads its votes."""

    def read() -> list:
        with VoteFile(tmp_path / "votes.sqlite") as file:
            return [*file.comparisons(), *file.ratings(), *file.orders()]

    return read
