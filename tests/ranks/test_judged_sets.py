"""What judges say of a set on disk: columns of the manifest, asked for when it is made or later."""

import csv
import json
import shutil
import sys

import numpy as np
import pytest

from rankiqa.cli.make_ranks import main
from rankiqa.errors import InputError
from rankiqa.extras import MissingExtra
from rankiqa.images.reading import read_image
from rankiqa.judge import Judge
from rankiqa.ranks.making import make_ranked_set
from rankiqa.ranks.manifest import format_rows, parse_rows
from rankiqa.ranks.pristine_photos import PristinePhotos
from rankiqa.ranks.ranked_set import RankedSet

STRENGTHS = {"GB": (0.7, 2.0), "JPEG": (20,)}
MDSI, BOTH = Judge(("mdsi",)), Judge(("mdsi", "haarpsi"))


def make(photos, out, judge=None):
    return make_ranked_set(PristinePhotos.find(photos), out, STRENGTHS, min_side=64, judge=judge)


@pytest.fixture(scope="module")
def sets(_small_photos, tmp_path_factory):
    """The same set without a judge and with two."""
    folder = tmp_path_factory.mktemp("judged")
    assert make(_small_photos, folder / "plain").judged == 0
    assert make(_small_photos, folder / "both", BOTH).judged == 12
    return folder


def manifest(folder):
    with open(folder / "manifest.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_each_image_has_what_the_metrics_say_of_it_beside_its_pristine_one(sets):
    ranks = RankedSet.read(sets / "both")
    for row in ranks.table.itertuples():
        pristine = ranks.image(row.reference, "GB", 0)
        wanted = BOTH.look(read_image(ranks.folder / row.path), pristine)
        assert [row.judge_mdsi, row.judge_haarpsi] == pytest.approx(wanted.tolist(), abs=1e-6)
    first = ranks.table[ranks.table["level"] == 0]
    assert (first[["judge_mdsi", "judge_haarpsi"]] == 1).all(axis=None)
    blurred = ranks.table[ranks.table["distortion"] == "GB"]
    for _, levels in blurred.groupby("reference"):
        assert levels["judge_mdsi"].is_monotonic_decreasing and (levels["judge_mdsi"] < 1).all()
    told = json.loads((sets / "both" / "set.json").read_text())["judges"]
    assert set(told) == {"mdsi", "haarpsi"} and "piq" in told["mdsi"]


def test_a_set_without_a_judge_is_as_before(sets):
    assert (
        list(manifest(sets / "plain")[0])[-1] == "sha256" and "judges" not in (sets / "plain" / "set.json").read_text()
    )
    plain, both = manifest(sets / "plain"), manifest(sets / "both")
    assert [{k: v for k, v in row.items() if not k.startswith("judge_")} for row in both] == plain
    assert not [name for name in RankedSet.read(sets / "plain").table if name.startswith("judge_")]


def test_a_set_that_is_there_is_judged_later_and_keeps_what_was_said(sets, _small_photos, tmp_path):
    out = shutil.copytree(sets / "plain", tmp_path / "set")
    assert make(_small_photos, out, MDSI).judged == 12
    summary = make(_small_photos, out, BOTH)
    assert (summary.made, summary.judged) == (0, 12)
    wanted = (sets / "both" / "manifest.csv").read_bytes()
    assert (out / "manifest.csv").read_bytes() == wanted
    for judge in (BOTH, None):
        assert make(_small_photos, out, judge).judged == 0
        assert (out / "manifest.csv").read_bytes() == wanted
    (out / "GB/1/x.png").unlink()  # made anew, it is judged anew
    assert make(_small_photos, out, MDSI).judged == 1


def test_interrupted_judging_goes_on_and_ends_the_same(sets, _small_photos, tmp_path, monkeypatch):
    out = shutil.copytree(sets / "plain", tmp_path / "set")
    asked, look = [], Judge.look

    def stop(self, image, pristine):
        asked.append(1)
        if len(asked) > 6:
            raise InputError("the light went out")
        return look(self, image, pristine)

    with monkeypatch.context() as patch:
        patch.setattr(Judge, "look", stop)
        with pytest.raises(InputError, match="the light went out; what was made is kept, and the same command goes on"):
            make(_small_photos, out, BOTH)
    assert make(_small_photos, out, BOTH).judged == 12 - 4  # one photo was done
    assert (out / "manifest.csv").read_bytes() == (sets / "both" / "manifest.csv").read_bytes()
    assert not (out / "manifest.csv.part").exists()


def test_a_pristine_image_that_is_gone_is_named_and_nothing_is_lost(photo_folder, tmp_path):
    out = tmp_path / "set"
    make(photo_folder, out)
    before = (out / "manifest.csv").read_bytes()
    (photo_folder / "b/x.png").unlink()
    (out / "pristine/b/x.png").unlink()
    with pytest.raises(InputError, match=r"pristine/b/x\.png") as caught:
        make(photo_folder, out, MDSI)
    assert "\n" not in str(caught.value) and (out / "manifest.csv").read_bytes() == before


def test_training_is_refused_on_a_set_that_was_not_judged(sets, tmp_path):
    judged = RankedSet.read(sets / "both")
    judged.check_judge(BOTH)
    judged.check_judge(Judge(("haarpsi",)))
    with pytest.raises(
        InputError, match=r"manifest\.csv: has no column judge_vsi; judge it: run .*make_ranks.* judge vsi"
    ):
        judged.check_judge(Judge(("vsi",)))
    out = shutil.copytree(sets / "both", tmp_path / "set")
    rows = manifest(out)
    rows[2]["judge_mdsi"] = ""
    with open(out / "manifest.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    part = RankedSet.read(out)
    with pytest.raises(InputError, match=rf"has no judge_mdsi of {rows[2]['path']}; judge it"):
        part.check_judge(MDSI)
    part.select(["x.png"]).check_judge(MDSI)  # it is another photo's


def test_a_crop_has_the_values_of_the_whole_image(sets):
    ranks = RankedSet.read(sets / "both")
    crop, values = ranks.judged_crop(BOTH, "x.png", "GB", 2, 48, np.random.default_rng(3))
    assert (crop == ranks.crop("x.png", "GB", 2, 48, np.random.default_rng(3))).all()
    row = ranks.table.set_index("path").loc["GB/2/x.png"]
    assert values.tolist() == [row.judge_mdsi, row.judge_haarpsi]
    assert ranks.judged_crop(MDSI, "x.png", "JPEG", 0, 48, np.random.default_rng(3))[1].tolist() == [1]


def rows(**more):
    base = {"reference": "x", "distortion": "GB", "strength": 1.5, "seed": 7, "sha256": "0" * 64}
    return [base | {"path": f"GB/{level}/x", "level": level} | more for level in (1, 2)]


def test_judgements_survive_the_csv_and_a_journal_that_several_commands_wrote():
    value = 0.1 + 0.2
    table = parse_rows(format_rows(rows(judge_mdsi=value, recipe="step")))
    assert table["judge_mdsi"].tolist() == [value] * 2 and table["recipe"].tolist() == ["step"] * 2
    written = [rows(), rows(recipe="step"), rows(judge_mdsi=value), rows(judge_vsi=0.5, judge_mdsi=None)]
    journal = parse_rows("".join(format_rows(part, header=False) for part in written), header=False)
    assert journal["recipe"].tolist() == ["", "", "step", "step", "", "", "", ""]
    assert journal["judge_mdsi"].dropna().to_dict() == {4: value, 5: value}
    assert journal["judge_vsi"].dropna().to_dict() == {6: 0.5, 7: 0.5}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("judge_mdsi", "judge mdsi"), "has the columns path"),
        (lambda text: text.replace("judge_mdsi", "judge_vsi"), "has the columns path"),  # twice
        (lambda text: text.replace("0.25", "good"), "the judge's value 'good' is no number of at most 1.0"),
        (lambda text: text.replace("0.25", "1.25"), "the judge's value '1.25' is no number"),
        (lambda text: text.replace("0.25", "inf"), "the judge's value 'inf' is no number"),
        (lambda text: text.replace("0.25,0.5\n", "0.25\n", 1), "8 cells in place of 9"),
    ],
)
def test_broken_judgements_are_refused(change, message):
    text = format_rows(rows(judge_mdsi=0.25, judge_vsi=0.5))
    assert text.splitlines()[1].endswith(",0.25,0.5")
    with pytest.raises(InputError) as caught:
        parse_rows(change(text))
    assert message in str(caught.value)
    assert caught.value.line == (None if "columns" in message else 2)


def test_a_journal_cell_that_names_no_judge_is_refused():
    for cell in ("mdsi=0.5", "0.5"):
        with pytest.raises(InputError, match="9 cells in place of 7"):
            parse_rows(f"GB/1/x,x,GB,1,1.0,7,0,,{cell}\n", header=False)


def test_the_command_refuses_in_one_line_before_it_makes_anything(photo_folder, tmp_path, capsys, monkeypatch):
    out = tmp_path / "set"
    arguments = ["--pristine", str(photo_folder), "--out", str(out), "--distortions", "GB", "--judge"]
    assert main([*arguments, "ssim"]) == 2
    assert capsys.readouterr().err.startswith("error: unknown judge 'ssim'; known: none, mdsi, haarpsi, vsi, ")
    monkeypatch.setitem(sys.modules, "piq", None)
    assert main([*arguments, "mdsi"]) == 2
    assert capsys.readouterr().err == 'error: the package piq is needed for this: pip install "rankiqa[train]"\n'
    with pytest.raises(MissingExtra):
        make(photo_folder, out, MDSI)
    assert not out.exists()
