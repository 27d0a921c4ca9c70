import math

import numpy as np
import pytest

from rankiqa.cli import main
from rankiqa.cli.compare import order_chance
from rankiqa.scoring.scorer import Score, Scorer


def compare(model, *arguments):
    return main(["compare", "--model", str(model), "--patches", "4", *arguments])


def columns(out):
    """The lines of the table, cut where the headings are."""
    return [line.split() for line in out.split("\n\n")[0].splitlines()]


def test_the_best_is_first_and_the_others_tell_their_difference(model, images, capsys):
    assert compare(model, "a.png", "b.jpg", "sub/c.png") == 0
    out = capsys.readouterr().out
    heading, first, *others = columns(out)
    assert heading == ["score", "from", "best", "[0,1]", "from", "best", "spread", "order", "file"]
    scorer = Scorer.load(model)
    found = {name: scorer.score(name, patches=4) for name in ("a.png", "b.jpg", "sub/c.png")}
    order = sorted(found, key=lambda name: -found[name].value)
    best = found[order[0]]
    assert first == ["1", f"{best.value:.3f}", f"{best.unit:.3f}", f"{best.spread:.3f}", order[0]]
    for place, line in enumerate(others, 2):
        name = order[place - 1]
        score, above = found[name], found[order[place - 2]]
        numbers = [score.value, score.value - best.value, score.unit, score.unit - best.unit, score.spread]
        assert line[0] == str(place) and line[-1] == name
        assert line[1:6] == [f"{number:.3f}" for number in numbers]
        chance = order_chance(above, score)
        assert " ".join(line[6:-1]) == ("> 99 %" if chance > 0.995 else f"{100 * chance:.0f} %")
    assert "higher is better" in out.splitlines()[-1]


def test_the_chance_of_the_order_is_that_of_other_crops():
    """Against what it stands for: how often the better of two places-wide means is ahead, seen from its crops."""
    rng = np.random.default_rng(0)
    patches, spread, gap = 30, 1.0, 0.3
    crops = rng.normal(size=(20_000, 2, patches)) * spread + np.array([[[gap], [0.0]]])
    wins = (crops[:, 0].mean(1) > crops[:, 1].mean(1)).mean()
    # ddof 0, as Score.spread is: smaller than the true deviation by √((P − 1) / P)
    seen = spread * math.sqrt((patches - 1) / patches)
    chance = order_chance(Score(gap, 0, 0, seen, patches), Score(0.0, 0, 0, seen, patches))
    assert chance == pytest.approx(wins, abs=0.01)


@pytest.mark.parametrize(
    "better, worse, expected",
    [
        (Score(1.0, 0, 0, 0.5, 30), Score(1.0, 0, 0, 0.5, 30), 0.5),
        (Score(9.0, 0, 0, 0.5, 30), Score(1.0, 0, 0, 0.5, 30), 1.0),
        (Score(1.1, 0, 0, 0.0, 30), Score(1.0, 0, 0, 0.0, 30), 1.0),  # all places are alike
        (Score(1.0, 0, 0, 0.0, 30), Score(1.0, 0, 0, 0.0, 30), math.nan),
        (Score(2.0, 0, 0, 0.0, 1), Score(1.0, 0, 0, 0.0, 1), math.nan),  # one crop tells no spread
    ],
)
def test_the_chance_at_the_ends(better, worse, expected):
    assert order_chance(better, worse) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("mode", ["grid", "dense", "resize"])
def test_without_a_draw_there_is_no_chance(model, images, capsys, mode):
    assert compare(model, "a.png", "b.jpg", "--mode", mode) == 0
    assert columns(capsys.readouterr().out)[2][6] == "-"


def test_two_images_are_needed(model, images, capsys):
    assert compare(model, "a.png", "./a.png") == 2
    assert capsys.readouterr().err == "error: there is nothing to compare a.png with; give two images or more\n"


def test_a_bad_file_leaves_the_others(model, images, capsys):
    (images / "0.png").write_bytes(b"no image")
    assert compare(model, "0.png", "a.png", "b.jpg") == 1
    out, err = capsys.readouterr()
    assert len(columns(out)) == 3 and err.startswith("error: 0.png") and err.count("\n") == 1


def test_the_page(model, images, capsys):
    assert compare(model, "a.png", "b.jpg", "--html", "out/c.html") == 0
    html = (images / "out" / "c.html").read_text()
    assert html.count("data:image/jpeg;base64,") == 2 and 'href="../a.png"' in html
