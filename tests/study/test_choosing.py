"""The pairs that are chosen: what they are worth, that they differ, that nothing depends on when they are asked for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from rankiqa.errors import InputError
from rankiqa.study.choosing import Chooser, Question, _repeatable
from rankiqa.study.simulated_raters import SimulatedRater


def ask(chooser: Chooser, scores: np.ndarray, votes: int, raters: tuple[str, ...] = ("Ada",)) -> list[Question]:
    """Let raters answer so many questions in turn."""
    draw, rater = np.random.default_rng(1), SimulatedRater(1.5)
    asked = []
    for k in range(votes):
        question = chooser.question(raters[k % len(raters)])
        assert question
        answer = rater.compare(scores[question.left], scores[question.right], draw)
        chooser.told(raters[k % len(raters)], question.left, question.right, answer, question.purpose)
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
    asked = ask(Chooser(8), np.linspace(-3, 3, 8), 28)
    pairs = [frozenset((q.left, q.right)) for q in asked if q.purpose != "repeat"]
    assert len(set(pairs)) == len(pairs) == 26  # of 28
    assert [k for k, question in enumerate(asked, 1) if question.purpose == "repeat"] == [12, 24]


@pytest.mark.parametrize("prior", [[1.0], [1.0, float("nan"), 2.0]])
def test_priors_that_do_not_fit_are_refused(prior: list[float]):
    with pytest.raises(InputError, match="prior needs a finite score for each of the 3"):
        Chooser(3, prior=prior)


def test_one_photo_cannot_be_compared():
    with pytest.raises(InputError, match="two photos or more, not 1"):
        Chooser(1)
    with pytest.raises(InputError, match="no pair of the 3 photos: 1 and 3"):
        Chooser(3).told("Ada", 1, 3, "left", "ask")


def test_what_is_chosen_needs_fewer_votes_than_random_pairs():
    scores = np.random.default_rng(0).normal(0, 2.5, 40)
    chooser = Chooser(40, checks=False)
    ask(chooser, scores, 110, ("Ada", "Bo"))
    draw, other = np.random.default_rng(2), Chooser(40)
    for _ in range(110):
        left, right = (int(k) for k in draw.choice(40, 2, replace=False))
        other.told("Ada", left, right, SimulatedRater(1.5).compare(scores[left], scores[right], draw))
    found, random = (spearmanr(each._known().mean, scores).statistic for each in (chooser, other))
    assert found > 0.9 and found > random + 0.04
    assert chooser.progress().certainty > other.progress().certainty + 0.03


def test_certainty_is_the_share_of_pairs_in_order():
    scores = np.random.default_rng(3).normal(0, 2, 30)
    left, right = np.triu_indices(30, 1)
    chooser = Chooser(30)
    for votes in (30, 60, 120):
        ask(chooser, scores, votes)
        mean = chooser._known().mean
        right_order = np.mean(np.sign(mean[left] - mean[right]) == np.sign(scores[left] - scores[right]))
        assert chooser.progress().certainty == pytest.approx(right_order, abs=0.08)
    assert chooser.progress().given == 210 <= chooser.progress().wanted


def test_repeats_and_catch_trials_measure_a_rater():
    scores = np.linspace(-6, 6, 30)
    asked = ask(Chooser(30), scores, 240)
    repeats = [k for k, question in enumerate(asked) if question.purpose == "repeat"]
    catches = [question for question in asked if question.purpose == "catch"]
    assert len(repeats) == pytest.approx(240 / 12, abs=3) and len(catches) >= 8
    for k in repeats:
        before = [{q.left, q.right} for q in asked[: k - 5]]
        assert {asked[k].left, asked[k].right} in before
    assert all(abs(scores[q.left] - scores[q.right]) > 3 for q in catches)
    sides = np.mean([q.left < q.right for q in asked])
    assert 0.4 < sides < 0.6
    assert {q.purpose for q in ask(Chooser(30, checks=False), scores, 60)} == {"ask"}


def test_a_prior_is_asked_about_where_it_is_unsure():
    model = np.arange(20.0)
    chooser = Chooser(20, prior=model)
    gap = [abs(q.left - q.right) for q in ask(chooser, np.linspace(-4, 4, 20), 20)]
    assert np.mean(gap) < 6.5  # random pairs are 7 apart
    assert chooser.progress().certainty > Chooser(20).progress().certainty
    assert spearmanr(chooser._known().mean, model).statistic > 0.85


def test_skipped_pairs_tell_nothing_and_are_not_asked_again():
    chooser = Chooser(5)
    first = chooser.question("Ada")
    chooser.told("Ada", first.left, first.right, "skip")
    assert chooser.progress().given == 0
    asked = ask(chooser, np.zeros(5), 9)
    assert {first.left, first.right} not in [{q.left, q.right} for q in asked]


def test_hundreds_of_photos_are_asked_about_vote_by_vote():
    """More than are refitted at every vote."""
    scores = np.random.default_rng(4).normal(0, 3, 320)
    chooser = Chooser(320)
    asked = ask(chooser, scores, 200, ("Ada", "Bo", "Cy"))
    assert len({frozenset((q.left, q.right)) for q in asked}) >= 180
    whole = Chooser(320)
    whole._told = chooser._told
    assert chooser._known().mean == pytest.approx(whole._known().mean, abs=0.02)


def test_repeats_of_a_rater_of_many_votes_are_found_in_one_pass():
    class Counted(tuple):
        compared = 0

        def __eq__(self, other: object) -> bool:
            Counted.compared += 1
            return super().__eq__(other)

        __hash__ = tuple.__hash__

    class Vote:
        answer = "left"

        def __init__(self, number: int) -> None:
            self.pair = Counted((number, number + 1))

    found = _repeatable([Vote(k) for k in range(300)])  # type: ignore[arg-type]
    assert len(found) == 294 and Counted.compared < 3000


@pytest.mark.parametrize("photos", [2, 3, 6])
def test_who_has_had_all_pairs_is_asked_no_more(photos: int):
    chooser, had = Chooser(photos), []
    while question := chooser.question("Ada"):
        chooser.told("Ada", question.left, question.right, "left" if had else "skip", question.purpose)
        had += [frozenset((question.left, question.right))] if question.purpose != "repeat" else []
    assert len(set(had)) == len(had) == photos * (photos - 1) // 2
    assert chooser.question("Bo")  # who has had none
    last = chooser._told[-1]
    assert chooser.undone("Ada", last.left, last.right) and chooser.question("Ada")


def test_pairs_on_screens_are_asked_where_there_is_nothing_else():
    chooser = Chooser(3)
    chooser.told("Ada", 0, 1, "left")
    question = chooser.question("Ada", [(0, 2), (2, 1)])
    assert question and {question.left, question.right} in ({0, 2}, {1, 2}) and question.purpose == "ask"
