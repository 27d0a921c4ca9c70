"""What the pages list is what there is: types, data sets, files, addresses; and what they show is what comes out."""

from __future__ import annotations

import re
import shutil

import pytest
import yaml

import rankiqa
from rankiqa.cli import main
from rankiqa.datasets.paired import PAIRED_SETS
from rankiqa.datasets.registry import DATASETS
from rankiqa.distortions import DISTORTIONS
from rankiqa.images import builtin_photos
from tests.docs.pages import CHANGELOG, DOCS, PAGES, REPOSITORY, blocks, inline_code
from tests.docs.test_addresses import is_there

README = REPOSITORY / "README.md"
PATH = re.compile(r"(?:rankiqa|tests|train|data_gen|eval|docs|results)/[\w./-]*")
TYPES = re.compile(r"[A-Z][A-Z\d-]+(, [A-Z][A-Z\d-]+)*")  # of distortion, as a cell names them
NUMBER = re.compile(r"(?<![\w.])-?\d+\.\d+(?![\w.])")


def rows(page):
    """The cells of the rows of a page's tables."""
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def test_the_tables_of_distortions_are_the_registry():
    page = REPOSITORY / "docs" / "distortions.md"
    cells = [cell for row in rows(page) if row[0] not in ("TID2013", "name") for cell in row]
    named = {name for cell in cells if TYPES.fullmatch(cell) for name in cell.split(", ")}
    mlive = {name for name in DISTORTIONS if "+" in name}  # in a sentence
    assert named == set(DISTORTIONS) - mlive
    assert not [name for name in mlive if name not in page.read_text(encoding="utf-8")]


def test_the_table_of_data_sets_is_the_registry():
    first = [row[0].strip("` |") for row in rows(REPOSITORY / "docs" / "datasets.md")]
    sets = {**DATASETS, **PAIRED_SETS}
    assert [name for name in first if name in sets] == list(sets)
    assert len(first) == len(sets) + 4  # two headings and the lines under them


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_in_sentences_are_there(page):
    named = [(code, code.text) for code in inline_code(page) if PATH.fullmatch(code.text) and "NAME" not in code.text]
    made = ("results/demo", "results/local")  # by the commands
    assert not [str(code) for code, path in named if not path.startswith(made) and not (REPOSITORY / path).exists()]


def test_readme_shows_what_comes_out(tmp_path, monkeypatch, capsys):
    [shown] = blocks(README, "console")
    command, _, output = shown.text.partition("\n")
    shutil.copy(builtin_photos.folder() / "astronaut.png", tmp_path)
    monkeypatch.chdir(tmp_path)
    words = command.removeprefix("$ ").split()
    assert words[0] == "rankiqa"
    assert main(words[1:]) == 0
    said = capsys.readouterr().out
    assert NUMBER.sub("#", " ".join(said.split())) == NUMBER.sub("#", " ".join(output.split()))
    found = [[float(number) for number in NUMBER.findall(text)] for text in (output, said)]
    assert found[0] == pytest.approx(found[1], rel=0.02)  # another PyTorch may round in another way


def test_readme_is_short():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 120


def test_what_moved_is_where_the_changelog_says():
    newest = CHANGELOG.read_text(encoding="utf-8").split("\n## [")[1]
    table = [re.findall(r"`([\w.]+)`", line) for line in newest.splitlines() if line.startswith("| `rankiqa.")]
    assert table
    wrong = []
    for old, *names, new in table:
        names = [part for name in (old, *names) if (part := name.rpartition(".")[2])] if names else []
        wrong += [f"{new}.{name}" for name in names or [""] if not is_there(f"{new}.{name}".rstrip("."))]
    renamed = re.findall(r"^- `rankiqa\.[\w.]+` is `(rankiqa\.[\w.]+)`$", newest, re.MULTILINE)
    assert renamed
    assert not wrong + [name for name in renamed if not is_there(name)]


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(citation)  # what the format requires
    assert citation["version"] == rankiqa.__version__
    assert citation["license"] == "MIT"
    text = README.read_text(encoding="utf-8")
    for reference in citation["references"]:
        assert reference["title"].partition(" (")[0].lower() in " ".join(text.split()).lower()


def test_the_changelog_tells_of_this_version():
    assert f"\n## [{rankiqa.__version__}] - " in CHANGELOG.read_text(encoding="utf-8")


def test_the_workflow_runs_what_every_change_must_pass():
    workflow = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    [job] = workflow["jobs"].values()
    assert job["timeout-minutes"]
    assert [step["run"] for step in job["steps"] if "run" in step] == ["bash .ci/run"]


def test_every_page_of_docs_is_in_the_table_of_the_readme():
    listed = " ".join(" ".join(row) for row in rows(README))
    assert not [page.name for page in DOCS if f"(docs/{page.name})" not in listed]
