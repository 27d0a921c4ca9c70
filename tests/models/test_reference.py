import math

import numpy as np
import pytest

from rankiqa.cli import reference as command
from rankiqa.errors import InputError
from rankiqa.models import build_model, save_model
from rankiqa.models.reference import Reference, read_reference
from rankiqa.scoring.scorer import Scorer

RANKS = [("a", "GB", 0), ("a", "GB", 1), ("a", "GB", 2), ("a", "GN", 0), ("a", "GN", 1)]


def test_percentile_is_the_share_of_lower_scores():
    scores = np.random.default_rng(0).normal(size=1001)
    reference = Reference.of_scores(scores, "x")
    for score in (-5, -1, 0, 0.3, 2, 9):
        assert reference.percentile(score) == pytest.approx(100 * np.mean(scores < score), abs=1)
    assert reference.percentile(-5) == 0 and reference.percentile(9) == 100
    assert math.isnan(reference.percentile(math.nan))


def test_equal_scores_share_their_place():
    reference = Reference.of_scores([0.0] * 25 + [1.0] * 50 + [2.0] * 25, "x")
    assert reference.percentile(1.0) == pytest.approx(50, abs=1)
    assert reference.percentile(0.5) == pytest.approx(25, abs=1)
    assert Reference.of_scores([3.0, 3.0], "x").percentile(3.0) == 50


def test_ranks_give_a_scale_and_count_a_pristine_photo_once():
    reference = Reference.of_ranks(RANKS, np.array([4.0, 2.0, 0.0, 4.0, -1.0]), "x")
    assert reference.images == 4
    assert (reference.low, reference.high) == (-0.5, 4.0)  # the mean of 0 and −1; the pristine photo
    assert [reference.unit(score) for score in (-9, -0.5, 1.75, 4, 9)] == [0, 0, 0.5, 1, 1]


def test_a_network_that_is_upside_down_has_no_scale():
    reference = Reference.of_ranks(RANKS, np.array([-4.0, 2.0, 0.0, -4.0, -1.0]), "x")
    assert (reference.low, reference.high) == (None, None)
    assert math.isnan(reference.unit(1.0))


def test_too_little_to_know_is_none():
    assert Reference.of_scores([1.0], "x") is None
    assert Reference.of_scores([1.0, math.nan], "x") is None


def test_config_gives_it_back():
    reference = Reference.of_ranks(RANKS, np.array([4.0, 2.0, 0.0, 4.0, -1.0]), "five images")
    assert Reference.from_config(reference.config()) == reference
    assert Reference.from_config(None) is None


@pytest.mark.parametrize(
    "change",
    [
        {"quantiles": [0.0] * 100},
        {"quantiles": "many"},
        {"quantiles": [math.nan] * 101},
        {"quantiles": list(range(101, 0, -1))},
        {"low": 3.0, "high": 1.0},
        {"low": None},
        {"images": "many"},
        {"images": 10**400, "low": 10**400},
    ],
)
def test_what_is_no_distribution_is_refused(change):
    config = Reference.of_ranks(RANKS, np.array([4.0, 2.0, 0.0, 4.0, -1.0]), "x").config()
    with pytest.raises(InputError, match="reference"):
        Reference.from_config(config | change)
    with pytest.raises(InputError, match="reference"):
        Reference.from_config({"what": "x"})


def test_a_table_of_scores_gives_the_reference_of_its_ranks(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text(
        "path,reference,distortion,level,score\na,a,pristine,0,4\nb,a,GB,1,2\nc,a,GB,2,0\nd,a,GN,1,-1\n",
        encoding="utf-8",
    )
    scores = np.array([4.0, 2.0, 0.0, 4.0, -1.0])
    assert read_reference(path, "x") == Reference.of_ranks(RANKS, scores, "x")


def test_a_table_without_ranks_gives_a_distribution_alone(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("file,score,note\na.jpg,1,\nb.jpg,,error: damaged\nc.jpg,3,\n", encoding="utf-8")
    assert read_reference(path, "mine") == Reference.of_scores([1.0, 3.0], "mine")
    for bad in ("file\na\n", "score\n1\n", "score\nx\ny\n", ""):
        path.write_text(bad, encoding="utf-8")
        with pytest.raises(InputError, match=r"scores\.csv: "):
            read_reference(path, "mine")
    with pytest.raises(InputError, match=r"absent\.csv: no such file"):
        read_reference(tmp_path / "absent.csv", "mine")


def test_command_writes_a_copy_of_the_model_with_it(tmp_path, capsys):
    save_model(build_model("shallow"), tmp_path / "model", training_photos={"ab": "a.png"})
    (tmp_path / "s.csv").write_text("file,score\n" + "".join(f"{k}.jpg,{k}\n" for k in range(101)), encoding="utf-8")
    model, scores, new = (str(tmp_path / name) for name in ("model", "s.csv", "new"))
    arguments = ["--model", model, "--scores", scores, "--out", new]
    assert command.main(arguments) == 0
    assert "101 images" in capsys.readouterr().out
    scorer = Scorer.load(new, "cpu")
    assert scorer.reference.percentile(25) == pytest.approx(25)
    assert scorer.reference.what == "s.csv" and scorer.settings["training_photos"] == {"ab": "a.png"}
    assert command.main(arguments) == 2
    assert "is there already" in capsys.readouterr().err
