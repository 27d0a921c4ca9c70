"""The README.md of a model: valid metadata, true facts, and nothing that a name could slip in."""

import ast
import re
import shlex

import pytest
import yaml
from huggingface_hub import ModelCard
from hypothesis import example, given
from hypothesis import strategies as st

from rankiqa.models.model_card import model_card
from rankiqa.models.reference import Reference

SETTINGS = {
    "architecture": {"name": "shallow", "dropout": None},
    "preprocessing": {"crop": 224, "channels": "bgr", "scale": 255.0, "mean": [104.0, 117.0, 123.0], "std": [1.0] * 3},
    "score_range": None,
    "weights_sha256": "ab" * 32,
    "provenance": {
        "command": "train_rank.py --out runs/x",
        "stage": "rank",
        "steps": 5000,
        "versions": {"rankiqa": "0.1.0"},
        "settings": {"data": {"distortions": "tid2013", "levels": "paper"}},
    },
    "training_photos": {"1" * 64: "a.png", "2" * 64: "b.png"},
    "finetuned_on": None,
}
REFERENCE = Reference("two photos held out", 34, tuple(float(k) for k in range(101)), 10.0, 90.0)
TUNED = {
    "score_range": [0.0, 9.0],
    "finetuned_on": {
        "dataset": "live",
        "paths": ["a", "b", "c"],
        "groups": ["a"],
        "native_range": [0.0, 100.0],
        "native_higher_is_better": False,
        "earlier": [{"dataset": "csiq", "paths": ["x"], "native_range": [0, 1], "native_higher_is_better": False}],
    },
}


def parts(text):
    _, front, body = text.split("---\n", 2)
    return yaml.safe_load(front), body


def test_the_metadata_are_those_of_the_hub():
    metadata, _ = parts(model_card(SETTINGS, REFERENCE, tags=["photos"]))
    assert metadata["library_name"] == "rankiqa"
    assert metadata["pipeline_tag"] == "image-classification"
    assert "image-quality-assessment" in metadata["tags"] and "photos" in metadata["tags"]
    assert not {"license", "license_name", "license_link"} & set(metadata)
    card = ModelCard(model_card(SETTINGS, license="other", license_name="mine", license_link="LICENSE"))
    assert (card.data.license, card.data.license_name, card.data.license_link) == ("other", "mine", "LICENSE")
    assert card.data.pipeline_tag and card.text.lstrip().startswith("# RankIQA")


def test_a_network_of_ranks_tells_what_it_learned():
    _, body = parts(model_card(SETTINGS, REFERENCE, repo_id="me/iqa"))
    for fact in (
        *("`shallow`", "224×224", "`BGR` from 0 to 255, minus 104, 117, 123", "Pristine photos: 2.", "Steps: 5000."),
        *(
            "`tid2013`, levels `paper`",
            "`train_rank.py --out runs/x`",
            "without any human score",
            "`" + "ab" * 32 + "`",
        ),
        *("0 at 10,", "1 at 90,", "34 images (`two photos held out`)", "between 5 and 95", "it orders images"),
        *('rankiqa.load("me/iqa")', "rankiqa score photo.jpg --model me/iqa", "A higher score is better"),
    ):
        assert fact in body, fact
    assert "people's scores" not in body


def test_a_fine_tuned_one_tells_the_scale_of_people():
    _, body = parts(model_card(SETTINGS | TUNED, REFERENCE))
    assert "0 is their worst, 9 their best" in body and "no unit" not in body
    assert "data set `live`, 3 images; its scores go from 0 to 100, lower is better" in body
    assert "Before that, human scores: data set `csiq`, 1 images; its scores go from 0 to 1" in body


def test_a_nima_sees_the_whole_image():
    settings = SETTINGS | {"architecture": {"name": "mobilenetv1_100", "votes": 10}, "score_range": [1.0, 10.0]}
    metadata, body = parts(model_card(settings))
    assert body.lstrip().startswith("# NIMA: `mobilenetv1_100`") and "nima" in metadata["tags"]
    assert "the whole image, resized" in body and "votes from 1 to 10" in body and "mirrored" not in body


def test_an_import_names_its_file_without_its_folder():
    made = {"source": "/home/someone/FT_live.caffemodel", "notes": ["the mean is left out"]}
    _, body = parts(model_card(SETTINGS | {"provenance": made, "training_photos": None}))
    assert "`FT_live.caffemodel`" in body and "someone" not in body and "`the mean is left out`" in body
    assert "Stage" not in body and "Pristine" not in body and "Steps" not in body


def test_what_is_not_told_is_not_there():
    _, body = parts(model_card({"architecture": {"name": "shallow"}, "preprocessing": {"crop": 224}}))
    assert "does not tell how it was trained" in body and "Score.percentile" not in body and "SHA-256" not in body
    assert '"OWNER/NAME"' in body


def test_a_folder_is_shown_so_that_python_and_a_shell_read_it():
    _, body = parts(model_card(SETTINGS, folder='my "best" $models/Möwe'))
    (call,) = re.findall(r"rankiqa\.load\((.*)\)", body)
    (command,) = re.findall(r"^rankiqa score .*$", body, re.MULTILINE)
    assert ast.literal_eval(call) == shlex.split(command)[-1] == 'my "best" $models/Möwe'
    for hostile in HOSTILE[1:4]:
        assert '"OWNER/NAME"' in parts(model_card(SETTINGS, folder=hostile))[1]
    assert '"a/b"' in parts(model_card(SETTINGS, folder="c", repo_id="a/b"))[1]


HOSTILE = [
    "a` [click](http://evil) <script>alert(1)</script>",
    "a\n---\nlicense: mit\n---\n# Other",
    "x\n\n```bash\nrm -rf /\n```",
    "![](http://evil/x.png) **bold** | \x1b[31m\u202e",
    "",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_from_elsewhere_stay_text(name):
    settings = SETTINGS | {
        "architecture": {"name": name},
        "finetuned_on": {"dataset": name, "paths": ["a"]},
        "provenance": {"command": name, "stage": name, "notes": [name], "source": name, "versions": {name: name}},
        "weights_sha256": name,
    }
    reference = Reference(name, 2, REFERENCE.quantiles)
    text = model_card(settings, reference, repo_id=name, tags=[name])
    clean = model_card(SETTINGS, reference, tags=["x"])
    metadata, body = parts(text)
    assert set(metadata) == {"library_name", "pipeline_tag", "tags", "metrics"}
    assert " ".join(name.split()) in metadata["tags"]
    headings = [line for line in body.splitlines() if line.startswith("#")]
    assert headings[1:] == [line for line in clean.splitlines() if line.startswith("## ")]
    fences = re.findall(r"^```.*", body, re.MULTILINE)
    assert fences == ["```python", "```", "```bash", "```"]
    outside = re.sub(r"`[^`\n]*`", "", re.sub(r"```.*?```", "", body, flags=re.DOTALL))
    for sign in ("<", "](", "evil", "rm -rf", "\x1b", "\u202e", "`"):
        assert sign not in outside
    assert "rm -rf" not in "".join(re.findall(r"```.*?```", body, re.DOTALL))


@given(st.lists(st.text(min_size=1), min_size=1))
@example(
    ["no", "1e5", "null", "~", "a: b", "- x", "#x", "'", '"', "\\", "é", "\x85", "\u2028", "\ufeff", "😀", "2024-01-01"]
)
def test_tags_come_back_as_they_are(tags):
    tags = [tag for tag in (" ".join(tag.split()) for tag in tags) if tag]
    metadata, _ = parts(model_card(SETTINGS, tags=tags))
    assert metadata["tags"][3:] == [tag for tag in dict.fromkeys(tags) if tag not in metadata["tags"][:3]]


@pytest.mark.parametrize("key", ["provenance", "training_photos", "finetuned_on", "reference"])
@pytest.mark.parametrize("value", [None, "text"])
def test_odd_settings_do_not_stop_it(key, value):
    assert "# RankIQA" in model_card(SETTINGS | {key: value})
