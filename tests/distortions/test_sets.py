"""Which types and strengths a set holds, against the published tables typed in here once more."""

import numpy as np
import pytest

from rankiqa.distortions import DISTORTIONS, SETS, levels, plan, resolve, sets
from rankiqa.errors import InputError
from rankiqa.extras import MissingExtra

# As the papers print them; ours carry the exact values behind the rounding.
LIVE = {
    "GB": (1.2, 2.5, 6.5, 15.2, 33.2),
    "GN": (0.001, 0.006, 0.022, 0.088, 1.0),
    "JPEG": (43, 12, 7, 4, 0),
    "JP2K": (52, 150, 343, 600, 1200),
}
TID2013 = {
    "GN": (0.001, 0.005, 0.01, 0.05),
    "GNC": (0.0140, 0.0198, 0.0343, 0.0524),
    "HFN": (0.001, 0.005, 0.01, 0.05),
    "IN": (0.005, 0.01, 0.05, 0.1),
    "QN": (255 / 27, 255 / 39, 255 / 55, 255 / 76),
    "GB": (1.2, 2.5, 6.5, 15.2),
    "ID-NLM": (0.001, 0.005, 0.01, 0.05),
    "JPEG": (43, 12, 7, 4),
    "JP2K": (52, 150, 343, 600),
    "NEPN": (30, 70, 150, 300),
    "BW": (2, 4, 8, 16),
    "MSH": (15, 30, 45, 60),
    "MSL": (-15, -30, -45, -60),
    "CCH": (1.2, 1.4, 1.6, 1.8),
    "CCL": (0.85, 0.7, 0.55, 0.4),
    "CS": (0.4, 0, -0.4, -0.8),
    "MGN": (0.05, 0.09, 0.13, 0.2),
    "CQD": (64, 32, 16, 8),
    "CA": (2, 6, 10, 14),
}
TID2013_NUMBERS = (1, 2, 5, 6, 7, 8, 9, 10, 11, 14, 15, 16, 17, 18, 19, 22, 23)
KADID10K = {
    1: (0.1, 0.5, 1, 2, 5),
    2: (1, 2, 4, 6, 8),
    3: (1, 2, 4, 6, 10),
    4: (1, 3, 6, 8, 12),
    5: (1, 3, 6, 8, 12),
    6: (64, 48, 32, 16, 8),
    7: (0.4, 0.2, 0.1, 0, -0.4),
    8: (1, 2, 3, 6, 9),
    9: (16, 32, 45, 120, 400),
    10: (43, 36, 24, 7, 4),
    11: (0.001, 0.002, 0.003, 0.005, 0.01),
    12: (0.0001, 0.0005, 0.001, 0.002, 0.003),
    13: (0.001, 0.005, 0.01, 0.02, 0.03),
    14: (0.001, 0.005, 0.01, 0.02, 0.05),
    15: (0.01, 0.03, 0.05, 0.1, 0.15),
    16: (0.1, 0.2, 0.4, 0.7, 1.1),
    17: (0.05, 0.1, 0.2, 0.4, 0.8),
    18: (0.15 * 255, 0.08 * 255, 0, -0.08 * 255, -0.15 * 255),
    19: (0.05, 0.1, 0.2, 0.5, 1),
    20: (20, 40, 60, 80, 100),
    21: (0.01, 0.05, 0.1, 0.2, 0.5),
    22: (20, 16, 13, 10, 7),
    23: (2, 4, 6, 8, 10),
    24: (1, 2, 3, 6, 12),
    25: (0.3, 0.15, 0, -0.4, -0.6),
}


@pytest.fixture
def without_bm3d(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)


@pytest.mark.parametrize(("name", "published"), [("live", LIVE), ("tid2013", TID2013)])
def test_the_levels_are_the_papers(name, published, without_bm3d):
    found = plan(name)
    assert set(found) == set(published)
    for kind, numbers in published.items():
        digits = {"GB": 1, "GN": 3, "QN": 0}.get(kind, 6)
        assert np.round(found[kind], digits).tolist() == np.round(numbers, digits).tolist(), kind


def test_every_type_of_the_databases_is_there():
    def numbers(of, name):
        return sorted({getattr(DISTORTIONS[kind], of) for kind in plan(name)})

    assert numbers("tid2013", "tid2013") == list(TID2013_NUMBERS)
    assert numbers("tid2013", "tid2013-24") == list(range(1, 25))
    assert numbers("kadid10k", "kadid10k") == list(range(1, 26))
    both_ways = [kind for kind in plan("tid2013-24") if DISTORTIONS[kind].tid2013 in (16, 17)]
    assert both_ways == ["MSH", "MSL", "CCH", "CCL"]


def test_the_24_types_have_five_levels_that_begin_with_the_papers_four():
    four, five = plan("tid2013"), plan("tid2013-24")
    assert all(len(strengths) == 5 for strengths in five.values())
    assert all(five[kind][:4] == strengths for kind, strengths in four.items())


def test_every_cell_of_kadid10k_is_a_level_or_leaves_the_image_as_it_is(photo):
    found = plan("kadid10k")
    for number, published in KADID10K.items():
        ours = [s for kind, of in found.items() if DISTORTIONS[kind].kadid10k == number for s in of]
        left_out = [strength for of, strength in levels.KADID10K_IDENTITIES if of == number]
        assert sorted(ours + left_out) == pytest.approx(sorted(published)), number
    assert sum(map(len, found.values())) == 125 - len(levels.KADID10K_IDENTITIES)
    for number, strength in levels.KADID10K_IDENTITIES:
        kind = next(d for d in DISTORTIONS.values() if d.kadid10k == number)
        made = kind.function(photo, strength, np.random.default_rng(0))
        assert np.abs(made.astype(int) - photo).max() <= 1, kind.name  # Lab and back may round


def test_mlive_has_each_of_its_nine_cells_twice():
    found = plan("mlive")
    assert list(found) == ["GB1.2+JPEG", "GB2.5+JPEG", "GB6.5+JPEG", "GB1.2+GN", "GB2.5+GN", "GB6.5+GN"]
    assert [found[kind] for kind in found if kind.endswith("JPEG")] == [(43, 12, 7)] * 3
    assert found["GB1.2+GN"] == pytest.approx((0.001, 0.0055, 0.0221), rel=0.03)


def test_mlive_is_one_after_the_other(photo):
    blurred = DISTORTIONS["GB"](photo, 15 / 6, None)
    for second, strength in (("JPEG", 12), ("GN", 0.006)):
        both = DISTORTIONS[f"GB2.5+{second}"](photo, strength, np.random.default_rng(3))
        assert (both == DISTORTIONS[second](blurred, strength, np.random.default_rng(3))).all()


@pytest.mark.parametrize("name", SETS)
def test_every_level_is_stronger_than_the_one_before(name):
    for kind, strengths in plan(name).items():
        DISTORTIONS[kind].check_levels(strengths)
        with pytest.raises(InputError, match="not stronger"):
            DISTORTIONS[kind].check_levels(strengths[::-1])


def test_names_take_the_first_table_of_each_type():
    assert plan("GB,NEPN") == {"GB": levels.GAUSSIAN_BLUR["live"], "NEPN": levels.PATCHES["tid2013"]}
    assert [d.name for d in resolve("JPEG, GB")] == ["JPEG", "GB"]


def test_bm3d_or_a_stand_in_that_says_so(without_bm3d, monkeypatch):
    assert "ID-NLM" in plan("tid2013")
    assert "ID" not in plan("tid2013")
    (line,) = sets.stand_ins(plan("tid2013"), "tid2013")
    assert "non-local means" in line
    assert 'pip install "rankiqa[bm3d]"' in line
    with pytest.raises(MissingExtra, match=r'the package bm3d is needed for ID: pip install "rankiqa\[bm3d\]"'):
        resolve("GB,ID")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert "ID" in plan("tid2013")
    assert sets.stand_ins(plan("tid2013"), "tid2013") == []


def test_a_codec_without_its_package_is_left_out_of_the_set_and_missed_where_it_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert list(plan("codecs")) == ["JPEG420", "JPEG444", "JPEG2X", "WEBP", "AVIF"]
    assert sets.stand_ins(plan("live,codecs"), "codecs,live,codecs") == [
        'without JXL: the package pillow-jxl-plugin is needed for JXL: pip install "rankiqa[jxl]"',
        'without HEIC: the package pillow-heif is needed for HEIC: pip install "rankiqa[heic]"',
        'without H264: the package av is needed for H264: pip install "rankiqa[video]"',
        'without HEVC: the package av is needed for HEVC: pip install "rankiqa[video]"',
    ]
    with pytest.raises(MissingExtra, match=r'the package pillow-heif is needed for HEIC: pip .*\[heic\]"'):
        resolve("JPEG420,HEIC")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert list(plan("codecs")) == ["JPEG420", "JPEG444", "JPEG2X", "WEBP", "AVIF", "JXL", "HEIC", "H264", "HEVC"]
    assert sets.stand_ins(plan("codecs"), "codecs") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("GB,blur", ["'blur'", "live, tid2013, tid2013-24, mlive, kadid10k, all, camera, codecs, photo, GB, GN"]),
        ("GB,GN,GB", ["'GB'", "twice"]),
        ("", ["''", "known"]),
    ],
)
def test_resolve_says_what_is_wrong(text, words):
    with pytest.raises(InputError) as caught:
        resolve(text)
    assert all(word in str(caught.value) for word in words)


def test_levels_by_psnr_are_found_for_each_image_where_tid2013_does_so():
    found = plan("tid2013-24", "psnr")
    assert {kind for kind, strengths in found.items() if strengths is not None} == {
        *("NEPN", "BW", "CS", "JPEGTE", "JP2KTE")
    }
    assert found["BW"] == levels.BLOCKS["tid2013-24"]
    assert sets.number_of_levels(found["GB"]) == 5


def test_a_file_sets_the_strengths_of_some_types(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("GB: [1, 2.5]\nJPEG: [90, 10, 5]\n")
    found = plan("live", str(file))
    assert found == {**plan("live"), "GB": (1, 2.5), "JPEG": (90, 10, 5)}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("GB: [0, 1]", "GB: strength 0 is out of range; from 0.05 to 100"),
        ("GB: [1, .nan]", "strength nan is out of range"),
        ("GB: [2, 1]", "strength 1 after 2 is not stronger; give the mildest first (more is stronger)"),
        ("JPEG: [10, 20]", "strength 20 after 10 is not stronger; give the mildest first (less is stronger)"),
        ("JPEG: [10.5]", "strength 10.5 must be a whole number"),
        ("JPEG: []", "no strength is given"),
        ("JPEG: weak", "must be a list of numbers, not 'weak'"),
        ("JPEG: [true]", "must be a list of numbers"),
        ("NEPN: [1, 2]", "'NEPN' is not among the types of the set: GB, GN, JPEG, JP2K"),
        ("- 1", "holds no mapping"),
        ("GB: [1", "cannot be read"),
    ],
)
def test_a_file_of_levels_that_cannot_be(content, words, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    with pytest.raises(InputError) as caught:
        plan("live", str(file))
    assert str(caught.value).startswith(str(file))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_level_table_is_named():
    with pytest.raises(InputError, match=r"papre: no such level table or file; give paper, even:7, .* \(levels\)"):
        plan("live", "papre")


def test_even_levels_run_from_the_sets_first_strength_to_its_last():
    found = plan("tid2013", "even:7")
    assert found["GB"][0] == 7 / 6
    assert found["GB"][-1] == 91 / 6
    assert found["QN"] == (9, 8, 7, 6, 5, 4, 3)
    assert {len(strengths) for strengths in found.values()} == {7}


@pytest.mark.parametrize("levels", ["even:0", "even:", "even:-1", "even:x", "even:1.5", "even:9999999"])
def test_a_wrong_number_of_even_levels_is_refused(levels):
    with pytest.raises(InputError, match=rf"levels {levels}: give a number from 1 on, such as even:7 \(levels\)"):
        plan("live", levels)


def test_a_type_without_so_many_strengths_is_named():
    with pytest.raises(InputError, match=r"QN: from 9 to 3 there are 7 whole strengths, not 8 \(levels\)"):
        plan("tid2013", "even:8")


def test_sets_go_together_and_a_type_of_two_is_there_once_as_the_first_has_it():
    both = plan("kadid10k, live")
    assert tuple(both) == tuple(dict.fromkeys([*plan("kadid10k"), *plan("live")]))
    assert both["JPEG"] == plan("kadid10k")["JPEG"]
    assert plan("live,SCN")["SCN"] == plan("SCN")["SCN"]
    assert plan("kadid10k,GB") == plan("kadid10k")
    assert plan("GB,kadid10k")["GB"] == plan("live")["GB"] != plan("kadid10k")["GB"]
    assert plan("camera,camera") == plan("camera")
