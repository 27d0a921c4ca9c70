"""The pairs that are chosen: what they are worth, that they differ, that nothing depends on when they are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from rankiqa.errors import InputError
from rankiqa.study.choosing import Chooser, Question


def answer_as(scores: np.ndarray, question: Question, draw: np.random.Generator):
    """What somebody says of a pair who sees the scores with the noise of the model."""
    p = 1 / (1 + np.exp(scores[question.right] - scores[question.left]))
    return "left" if draw.random() < p else "right"


def ask(chooser: Chooser, scores: np.ndarray, votes: int, rater: str = "Ada") -> list[Question]:
    """Let a rater answer so many questions."""
    draw = np.random.default_rng(1)
    asked = []
    for _ in range(votes):
        question = chooser.question(rater)
        chooser.told(rater, question.left, question.right, answer_as(scores, question, draw), question.purpose)
        asked.append(question)
    return asked


def test_the_same_history_asks_the_same():
    scores = np.linspace(-3, 3, 10)
    assert ask(Chooser(10, seed=3), scores, 30) == ask(Chooser(10, seed=3), scores, 30)
    assert ask(Chooser(10, seed=3), scores, 30) != ask(Chooser(10, seed=4), scores, 30)


def test_what_is_taken_back_never_was():
    one, other = Chooser(12), Chooser(12)
    scores = np.linspace(-3, 3, 12)
    ask(one, scores, 9)
    ask(other, scores, 9)
    question = one.question("Ada")
    one.told("Ada", question.left, question.right, "left", question.purpose)
    assert one.undone("Ada", question.left, question.right)
    assert not one.undone("Bo", question.left, question.right)
    assert one.question("Ada") == other.question("Ada") == question
    assert one.progress() == other.progress()


def test_pairs_on_other_screens_are_not_asked():
    chooser = Chooser(6)
    waiting: list[tuple[int, int]] = []
    for _ in range(3):
        question = chooser.question("Ada", waiting)
        assert not {question.left, question.right} & {photo for pair in waiting for photo in pair}
        waiting.append((question.left, question.right))
    question = chooser.question("Ada", waiting)  # every photo is looked at, but not every pair
    assert {question.left, question.right} not in [set(pair) for pair in waiting]


def test_nobody_is_asked_the_same_twice_but_to_measure_him():
    asked = ask(Chooser(8), np.linspace(-3, 3, 8), 40)
    pairs = [frozenset((q.left, q.right)) for q in asked if q.purpose != "repeat"]
    assert len(set(pairs)) == len(pairs) == 28  # all there are; then repeats
    assert {q.purpose for q in asked[-5:]} == {"repeat"}


@pytest.mark.parametrize("prior", [[1.0], [1.0, float("nan"), 2.0]])
def test_priors_that_do_not_fit_are_refused(prior: list[float]):
    with pytest.raises(InputError, match="prior needs a finite score for each of the 3"):
        Chooser(3, prior=prior)


def test_one_photo_cannot_be_compared():
    with pytest.raises(InputError, match="two photos or more, not 1"):
        Chooser(1)
    with pytest.raises(InputError, match="no pair of the 3 photos: 1 and 3"):
        Chooser(3).told("Ada", 1, 3, "left", "ask")
