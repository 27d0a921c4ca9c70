"""The pages of `rankiqa label`, asked as a browser asks, without a network."""

from __future__ import annotations

import io
import json
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rankiqa.images.reading import read_image
from rankiqa.study.graph import groups
from rankiqa.study.vote_file import VoteFile
from rankiqa.web.serving import HEADERS
from tests.web.conftest import TOKEN

NAME = "Ada “O'Hara\" <b>😀"


def test_a_vote_is_kept_and_the_next_pair_is_another(pages):
    study = pages()
    state = study.ask(NAME)
    first, second = state["questions"][:2]
    assert len({question["uid"] for question in state["questions"]}) == 3
    assert {photo["n"] for photo in first["photos"]} <= {0, 1, 2} and first["photos"][0]["w"] == 112
    assert study.vote(first, "left", NAME).json() == {"counted": True, "last": first["uid"]}
    [vote] = study.votes.comparisons()
    paths = [study.votes.photos[photo["n"]].path for photo in first["photos"]]
    assert (vote.rater, [vote.left, vote.right], vote.answer, vote.seconds) == (NAME, paths, "left", 1.5)
    state = study.ask(NAME)
    assert state["questions"][0] == second and state["progress"]["given"] == 1 and state["progress"]["raters"] == 1


def test_a_reload_shows_the_same_and_another_page_something_else(pages):
    study = pages()
    uids = [[question["uid"] for question in study.ask(page=page)["questions"]] for page in ("p", "p", "q")]
    assert uids[0] == uids[1] and not set(uids[0]) & set(uids[2])


def test_a_vote_that_is_sent_again_counts_once_also_after_a_kill(pages):
    study = pages()
    question = study.ask()["questions"][0]
    assert study.vote(question, "tie").json()["counted"]
    assert not study.vote(question, "tie").json()["counted"]
    again = pages()
    assert not again.vote(question, "tie").json()["counted"]
    assert again.ask()["progress"]["own"] == 1


def test_a_question_from_before_a_kill_can_be_answered(pages):
    question = pages().ask()["questions"][0]
    again = pages()
    assert again.vote(question, "right").json()["counted"]
    assert [vote.purpose for vote in again.votes.comparisons()] == ["ask"]


def test_undo_asks_the_same_pair_again_and_is_done_once(pages):
    study = pages()
    questions = study.ask()["questions"]
    for question in questions[:2]:
        study.vote(question, "left")
    last = study.ask()["last"]
    assert last == questions[1]["uid"]
    for _ in range(2):  # the second time as if no answer had come
        state = study.post("undo", rater="Ada", page="p", uid=last).json()
        assert state["questions"][0]["photos"] == questions[1]["photos"]
        assert state["questions"][0]["uid"] != questions[1]["uid"]
        assert state["last"] == questions[0]["uid"] and state["progress"]["given"] == 1
        assert [vote.uid for vote in study.votes.comparisons()] == [questions[0]["uid"]]
    assert study.vote(state["questions"][0], "right").json()["counted"]
    assert [vote.answer for vote in study.votes.comparisons()] == ["left", "right"]
    assert study.post("undo", rater="Bo", page="p", uid=last).status_code == 400


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"uid": "0123-4567"}, "never asked"),
        ({"rater": "Bo"}, "never asked"),
        ({"photos": [0, 99]}, "never asked"),
        ({"photos": [2, 1, 0]}, "never asked"),
        ({"photos": ["a", "b"]}, "list of numbers"),
        ({"photos": [0.0, 1]}, "list of numbers"),
        ({"photos": None}, "list of numbers"),
        ({"answer": "both"}, "an answer is one of"),
        ({"answer": None}, "an answer is one of"),
        ({"answer": ["left"]}, "an answer is one of"),
        ({"rater": ""}, "a name has"),
        ({"rater": "x" * 90}, "a name has"),
        ({"rater": None}, "rater is a text"),
        ({"rater": "a\0b"}, "a name has"),
        ({"rater": "a\x9bb"}, "a name has"),  # which begins a command of a terminal, as Esc [ does
        ({"rater": "\u202eb"}, "a name has"),  # which turns the line that it stands in
        ({"seconds": -1}, "seconds"),
        ({"seconds": 10**400}, "seconds"),
        ({"uid": "\ud800-a"}, "uid"),
        ({"seconds": "1"}, "seconds"),
        ({"seconds": float("nan")}, "seconds"),
    ],
)
def test_a_forged_vote_is_refused(pages, change, what):
    study = pages()
    question = study.ask()["questions"][0]
    body = {"rater": "Ada", "uid": question["uid"], "photos": [p["n"] for p in question["photos"]], "answer": "left"}
    answer = study.client.post("api/vote", content=json.dumps(body | change))
    assert answer.status_code == 400 and what in answer.json()["error"]
    assert not study.votes.comparisons() and not study.votes.raters()


@pytest.mark.parametrize("name", ["O'Hara <b>\"", "عائشة", "👩\u200d👩\u200d👧", "क\u094dष"])
def test_names_of_people_are_taken_as_they_are(pages, name):
    study = pages()
    question = study.ask(rater=name)["questions"][0]
    body = {"rater": name, "uid": question["uid"], "photos": [p["n"] for p in question["photos"]], "answer": "left"}
    assert study.client.post("api/vote", content=json.dumps(body)).json()["counted"]
    assert study.votes.raters() == [name]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 60000, b'"x"'])
def test_what_is_no_json_object_is_refused(pages, body):
    assert pages().client.post("api/vote", content=body).status_code == 400


def test_only_photos_are_served_and_by_number(pages, photo_folder):
    study = pages()
    (photo_folder / "secret.txt").write_text("secret")
    assert study.get("photo/0/640").status_code == 200
    for path in ("photo/3/640", "photo/-1/640", "photo/0/641", "photo/x.png/640", "photo/..%2fsecret.txt/640", "x.png"):
        assert study.get(path).status_code == 404, path
    for path in (
        "secret.txt",
        "pages/../serving.py",
        "pages/%2e%2e/serving.py",
        "photo/0/tile/1/0",
        "photo/0/tile/a/0",
    ):
        assert study.get(path).status_code == 404, path


def test_pictures_are_the_pixels(pages, photo_folder):
    study = pages()
    for number, photo in enumerate(study.votes.photos):
        pixels = read_image(photo_folder / photo.path)
        for path in (f"photo/{number}/320", f"photo/{number}/tile/0/0"):
            answer = study.get(path)
            assert answer.headers["content-type"] == "image/png"
            assert (np.asarray(Image.open(io.BytesIO(answer.content))) == pixels).all()


def test_a_photo_that_is_gone_is_asked_for_no_more(pages, photo_folder):
    study = pages()
    for rater in ("Ada", "Bo"):
        study.vote(study.ask(rater)["questions"][0], "left", rater)
    (photo_folder / study.votes.photos[1].path).unlink()
    assert study.get("photo/1/640").status_code == 410
    state = study.ask()
    assert state["left_out"] == 1
    assert {photo["n"] for question in state["questions"] for photo in question["photos"]} == {0, 2}
    again = pages()
    assert [problem.reason for problem in again.problems] == ["was a photo of the study and is not there any more"]
    assert len(again.votes.comparisons()) == 2


def test_pages_have_the_headers_and_load_nothing_from_elsewhere(pages):
    study = pages()
    index = study.get("")
    assert index.status_code == 200 and index.headers["content-type"].startswith("text/html")
    for name, value in HEADERS.items():
        assert index.headers[name] == value
    for name in (
        "base.css",
        "label.css",
        "label.js",
        "asking.js",
        "viewer.js",
        "sorting.js",
        "large.js",
        "common.js",
        "icon.svg",
    ):
        answer = study.get(f"pages/{name}")
        assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
        outside = answer.text.replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert "http:" not in outside and "https:" not in outside
    assert "style=" not in index.text and "onclick=" not in index.text  # the policy would not let them


def test_without_the_token_nothing_is_told(pages):
    study = pages()
    for path in ("/", "/photo/0/640", "/x/api/about", f"/{TOKEN[:-1]}/", "/pages/label.js"):
        answer = study.client.get(f"http://test{path}")
        assert answer.status_code == 403 and "token" in answer.text
    assert study.client.get(f"http://test/{TOKEN}", follow_redirects=False).headers["location"] == f"/{TOKEN}/"


def test_a_large_body_is_not_read(pages):
    study = pages()

    def much():
        for _ in range(100):
            yield b" " * 1_000_000
            sent.append(1)

    sent = []
    answer = study.client.post("api/vote", content=b" " * 100_000)
    assert answer.status_code == 413 and answer.headers["connection"] == "close"
    assert study.client.post("api/vote", content=much()).status_code == 413  # of a length that is not told


def test_ratings(pages):
    study = pages(mode="rate")
    state = study.ask()
    assert len(state["questions"]) == 3 and state["progress"]["wanted"] == 3
    assert study.ask(drop=[state["questions"][0]["uid"]])["questions"][-1]["photos"] == state["questions"][0]["photos"]
    for answer in (0, 6, True, "4", 2.0):
        assert study.vote(study.ask()["questions"][0], answer).status_code == 400
    for score in (5, 1, 3):
        assert study.vote(study.ask()["questions"][0], score).json()["counted"]
    assert study.ask()["questions"] == [] and study.ask()["progress"]["given"] == 3
    assert [vote.score for vote in study.votes.ratings()] == [5, 1, 3]
    assert len(study.ask("Bo")["questions"]) == 3
    study.post("undo", rater="Ada", page="p", uid=study.ask()["last"])
    assert len(study.ask()["questions"]) == 1


def many_photos(folder: Path, count: int) -> None:
    for k in range(count):
        shutil.copy(folder / "x.png", folder / f"{k:02}.png")


def test_one_rating_in_twelve_is_a_repeat_of_a_while_ago(pages, photo_folder):
    many_photos(photo_folder, 37)
    study = pages(mode="rate")
    order = []
    while questions := study.ask()["questions"]:
        order.append(questions[0]["photos"][0]["n"])
        assert study.vote(questions[0], 1 + len(order) % 5).json()["counted"]
    again = [k for k, number in enumerate(order) if number in order[:k]]
    assert sorted(set(order)) == list(range(40)) and len(again) == 3
    assert all(k - order.index(order[k]) > 6 for k in again)
    assert [vote.purpose for vote in study.votes.ratings()] == [
        "repeat" if k in again else "ask" for k in range(len(order))
    ]
    assert study.ask()["progress"]["given"] == study.ask()["progress"]["wanted"] == 40
    state = study.post("undo", rater="Ada", page="p", uid=study.ask()["last"]).json()
    assert state["questions"][0]["photos"][0]["n"] == order[-1]
    assert len({q["photos"][0]["n"] for q in study.ask("Bo")["questions"]}) == 3


def test_a_repeat_that_is_taken_back_is_asked_again_as_a_repeat(pages, photo_folder):
    many_photos(photo_folder, 17)
    study = pages(mode="rate")
    for _ in range(20):
        study.vote(study.ask()["questions"][0], 3)
        if (last := study.votes.ratings()[-1]).purpose == "repeat":
            break
    assert last.purpose == "repeat"
    before = study.ask()["progress"]["given"]
    state = study.post("undo", rater="Ada", page="p", uid=last.uid).json()
    assert study.votes.photos[state["questions"][0]["photos"][0]["n"]].path == last.photo
    assert state["progress"]["given"] == before  # the photo is rated still
    study.vote(state["questions"][0], 5)
    assert (study.votes.ratings()[-1].purpose, study.votes.ratings()[-1].score) == ("repeat", 5)


def test_ratings_of_two_raters_tell_how_sure_the_order_is(pages, photo_folder):
    many_photos(photo_folder, 9)
    study = pages(mode="rate")
    for rater in ("Ada", "Bo"):
        assert study.ask(rater)["progress"]["sure"] is None
        for _ in range(8):
            question = study.ask(rater)["questions"][0]
            study.vote(question, 1 + question["photos"][0]["n"] % 5, rater)
    assert 0.5 < study.ask()["progress"]["sure"] < 1
    assert pages(mode="rate").ask()["progress"]["sure"] == study.ask()["progress"]["sure"]


def test_who_has_had_all_pairs_is_asked_no_more_and_may_go_back(pages):
    study = pages()
    for answer in ("left", "skip", "tie"):
        question, *_ = study.ask()["questions"]
        assert study.vote(question, answer).json()["counted"]
    state = study.ask()
    assert state["questions"] == [] and (state["progress"]["own"], state["progress"]["given"]) == (3, 2)
    assert len(study.ask("Bo")["questions"]) == 3
    state = study.post("undo", rater="Ada", page="p", uid=state["last"]).json()
    assert [asked["photos"] for asked in state["questions"]] == [question["photos"]]


def test_what_a_page_holds_is_not_asked_a_second_time(pages):
    study = pages()
    first, *rest = study.ask()["questions"]
    study.vote(first, "left")
    assert study.ask()["questions"] == rest


def test_the_command_that_goes_on_is_told_at_this_machine_alone(pages):
    from starlette.testclient import TestClient

    app = pages().app
    told = {
        host: TestClient(app, f"http://test/{TOKEN}/", client=(host, 50000)).post("api/about").json()["then"]
        for host in ("127.0.0.1", "192.0.2.7")
    }
    assert told == {"127.0.0.1": "rankiqa scale", "192.0.2.7": ""}


def test_orders(pages):
    study = pages(mode="sort", limit=2)
    first, second = study.ask()["questions"]  # the third photo beside one of the others
    numbers = [photo["n"] for photo in first["photos"]]
    for answer in (numbers[:1], [*numbers, numbers[0]], [7, 8], "ab", None, [str(n) for n in numbers]):
        assert study.vote(first, answer).status_code == 400
    assert study.vote(first, numbers[::-1]).json()["counted"]
    assert study.vote(second, [photo["n"] for photo in second["photos"]]).json()["counted"]
    assert study.ask()["questions"] == []
    photos = study.votes.photos
    assert study.votes.orders()[0].photos == tuple(photos[n].path for n in numbers[::-1])
    state = study.post("undo", rater="Ada", page="p", uid=second["uid"]).json()
    assert state["questions"][0]["photos"] == second["photos"] and len(state["questions"]) == 1


@pytest.mark.parametrize("limit", [2, 4])
def test_the_orders_of_one_rater_hang_together(pages, photo_folder, limit):
    many_photos(photo_folder, 9)
    study = pages(mode="sort", limit=limit)
    while questions := study.ask()["questions"]:
        assert study.vote(questions[0], [photo["n"] for photo in questions[0]["photos"]]).json()["counted"]
    number = {photo.path: k for k, photo in enumerate(study.votes.photos)}
    orders = [[number[path] for path in order.photos] for order in study.votes.orders()]
    assert groups(12, [pair for order in orders for pair in pairwise(order)]) == [list(range(12))]
    assert max(map(len, orders)) == limit and study.ask()["progress"]["given"] == 12


def test_what_the_disk_refuses_is_told_as_something_to_try_again(pages, tmp_path):
    study = pages()
    question = study.ask()["questions"][0]
    with VoteFile(tmp_path / "votes.sqlite") as other:
        study.votes.close()
        answer = study.vote(question, "left")
        assert answer.status_code == 503 and "votes.sqlite" in answer.json()["error"]
        assert not other.comparisons()
