"""The scale of a study: what is in it, what is refused, and what it says of the raters."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from rankiqa.errors import InputError
from rankiqa.study.graph import groups
from rankiqa.study.scale import Scale, Study, make_scale
from rankiqa.study.vote_file import Answer, Comparison, Order, Purpose, Rating

NAMES = tuple(f"{k:02d}.jpg" for k in range(20))
QUALITY = np.linspace(3, -3, 20)


def compare(left: int, right: int, answer: Answer = "left", rater: str = "Ada", purpose: Purpose = "ask") -> Comparison:
    return Comparison("", rater, purpose, 1.0, "", NAMES[left], NAMES[right], answer)


def chain(*answers: Answer) -> tuple[Comparison, ...]:
    """Comparisons of each photo with the next one."""
    return tuple(compare(k, k + 1, answer) for k, answer in enumerate(answers))


def simulated(draw: np.random.Generator, votes: int, slopes: dict[str, float]) -> tuple[Comparison, ...]:
    found = []
    for k in range(votes):
        left, right = draw.choice(20, 2, replace=False)
        rater, slope = list(slopes.items())[k % len(slopes)]
        sure = 1 / (1 + np.exp(-slope * (QUALITY[left] - QUALITY[right])))
        found.append(compare(int(left), int(right), "left" if draw.random() < sure else "right", rater))
    return tuple(found)


def scale_of(comparisons=(), ratings=(), orders=()) -> Scale:
    return make_scale(Study(NAMES, tuple(comparisons), tuple(ratings), tuple(orders)))


def rate(photo: int, score: int, rater: str = "Ada") -> Rating:
    return Rating("", rater, "ask", 1.0, "", NAMES[photo], score)


def test_the_order_the_unit_and_the_file():
    scale = scale_of(simulated(np.random.default_rng(0), 500, {"Ada": 1.5, "Bo": 0.7}))
    assert spearmanr(scale.score, QUALITY).statistic > 0.95
    assert scale.unit == "JOD" and abs(scale.score.mean()) < 1e-9
    assert np.all(scale.low < scale.score) and np.all(scale.score < scale.high)
    assert scale.votes.sum() == 1000
    assert scale.held_out and scale.held_out.votes == 500
    assert 0.7 < scale.held_out.right < 0.95 and scale.held_out.bits > 0.2
    assert [rater.name for rater in scale.raters] == ["Ada", "Bo"]
    assert scale.raters[0].noise < 0.9 < scale.raters[1].noise
    header, first, *_ = scale.csv().splitlines()
    assert header == "name,mos,low,high,votes"
    best = int(np.argmax(scale.score))
    assert first.split(",")[:2] == [NAMES[best], f"{scale.score[best]:.4f}"]


def test_what_was_rated_and_what_was_compared_are_on_one_scale():
    draw = np.random.default_rng(1)
    truth = 3 + 0.6 * QUALITY
    ratings = [
        rate(k, int(np.clip(np.round(truth[k] + 0.5 * draw.normal()), 1, 5)), rater)
        for k in range(0, 20, 2)
        for rater in ("Ada", "Bo", "Dee")
    ]
    scale = scale_of(simulated(draw, 400, {"Cy": 1.0}), ratings)
    assert scale.unit == "rating"
    assert np.mean((scale.low < truth) & (truth < scale.high)) >= 0.85  # of every other photo nobody gave a rating
    assert scale.score == pytest.approx(truth, abs=0.9)
    assert scale.alpha_ratings > 0.7 and np.isnan(scale.alpha_comparisons)  # one compares
    assert {rater.name for rater in scale.raters if rater.bias is not None} == {"Ada", "Bo", "Dee"}


def test_orders_alone_make_a_scale():
    draw = np.random.default_rng(2)
    orders = []
    for _ in range(40):
        some = draw.choice(20, 6, replace=False)
        seen = QUALITY[some] + draw.gumbel(size=6)
        orders.append(Order("", "Ada", "ask", 9.0, "", tuple(NAMES[k] for k in some[np.argsort(-seen)])))
    scale = scale_of(orders=orders)
    assert spearmanr(scale.score, QUALITY).statistic > 0.9
    assert scale.raters[0].left is None and scale.held_out is None


@pytest.mark.parametrize(
    ("study", "what"),
    [
        (Study(NAMES, (), (), ()), "holds no votes"),
        (Study(NAMES, chain("skip", "skip"), (), ()), "all 2 comparisons were skipped"),
        (Study(NAMES, chain("skip"), (), ()), "the only comparison was skipped"),
        (Study(NAMES, chain("tie", "tie", "skip"), (), ()), "all 2 comparisons are ties"),
        (Study(NAMES, (), (rate(0, 4), rate(1, 4)), ()), "all 2 ratings are 4"),
        (
            Study(NAMES, (*chain("left", "right"), compare(7, 8)), (), ()),
            r"leave 2 groups of photos \(3, 2\) that nothing compares with each other; ask for 07.jpg against 01.jpg",
        ),
    ],
)
def test_votes_that_make_no_scale_are_refused(study: Study, what: str):
    with pytest.raises(InputError, match=what):
        make_scale(study)


def test_photos_without_a_vote_have_no_score_and_are_named():
    scale = scale_of(chain("left", "left", "tie"))
    assert scale.photos == NAMES[:4] and scale.unseen == NAMES[4:]
    assert scale.score[0] > scale.score[1] > scale.score[2]


def test_one_rater_is_enough_but_agrees_with_nobody():
    scale = scale_of(chain("left", "left"))
    assert np.isnan(scale.alpha_comparisons) and np.isnan(scale.alpha_ratings)
    assert scale.raters[0].noise == pytest.approx(1.0)


def test_a_careless_rater_is_found_by_catch_trials_and_repeats():
    good = simulated(np.random.default_rng(3), 400, {"Ada": 1.5, "Bo": 1.5})
    catches = [compare(0, 19, "left", "Ada", "catch")] * 5 + [compare(0, 19, "right", "Cy", "catch")] * 3
    catches += [compare(19, 0, "left", "Bo", "catch")] + [compare(1, 19, "left", "Bo", "catch")] * 8
    again = [compare(3, 9, "left", "Bo"), compare(9, 3, "right", "Bo", "repeat"), compare(3, 9, "tie", "Bo", "repeat")]
    ada, bo, cy = scale_of([*good, *catches, *again]).raters
    assert (ada.wrong, ada.catches, bo.wrong, bo.catches, cy.wrong, cy.catches) == (0, 5, 1, 9, 3, 3)
    assert (bo.same, bo.repeats) == (1, 2)
    assert [rater.careless for rater in (ada, bo, cy)] == [False, False, True]


def test_ratings_that_were_asked_again_tell_how_far_a_rater_differs_from_himself():
    votes = [rate(k, 1 + k % 5, rater) for k in range(20) for rater in ("Ada", "Bo")]
    again = [(0, 1), (1, 4), (2, 3), (3, 2)]  # photos 0 to 3 had 1, 2, 3, 4: they differ by 0, 2, 0, −2
    votes += [Rating("", "Ada", "repeat", 1.0, "", NAMES[photo], score) for photo, score in again]
    ada, bo = scale_of(ratings=votes).raters
    assert ada.retest == pytest.approx(np.sqrt((0 + 4 + 0 + 4) / 4 / 2)) and bo.retest is None
    assert (ada.same, ada.repeats) == (0, 0)  # which are of comparisons and orders


def test_disputed_pairs_come_first():
    votes = [*chain("left", "left", "left"), compare(0, 1), compare(0, 1), compare(0, 1), compare(1, 2)]
    votes += [compare(1, 0), compare(0, 1, "right", "Bo"), compare(2, 1, "left", "Bo"), compare(0, 1, "tie")]
    first, second = scale_of(votes).splits
    assert (first.better, first.worse, first.agree, first.tie, first.against) == (*NAMES[:2], 4, 1, 2)
    assert (second.better, second.worse, second.agree, second.tie, second.against) == (*NAMES[1:3], 2, 0, 1)


def test_noisy_raters_count_less():
    votes = simulated(np.random.default_rng(4), 600, {"Ada": 2.0, "Bo": 0.05, "Cy": 1.0})
    scale = scale_of(votes)
    assert scale.raters[1].noise > 2 and "answers near chance" in scale.raters[1].remarks


def test_groups_are_those_that_pairs_join():
    assert groups(6, [(0, 2), (2, 4), (5, 1)]) == [[0, 2, 4], [1, 5], [3]]
