"""What the pages for users say is so: their links lead somewhere, their commands parse, and the quick ones run."""

from __future__ import annotations

import configparser
import re
from unittest.mock import patch

import pytest

from rankiqa.cli import main
from rankiqa.distortions import DISTORTIONS
from tests.docs.pages import (
    CHANGELOG,
    DOCS,
    PAGES,
    REPOSITORY,
    blocks,
    commands,
    inline_code,
    inline_commands,
    known_options,
    parse,
)

LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
# Options that no parser lists: a second spelling, and accelerate's.
ELSEWHERE = {"--freeze-until", "--cpu", "--num_processes"}

ALL_COMMANDS = [command for page in PAGES for command in [*commands(page), *inline_commands(page)]]
# Without a network that has to be trained first.
READY = [command for page in PAGES for command in commands(page) if re.match(r"rankiqa (?!.*--model)", command.text)]
EXPORTS = [command for command in READY if command.words[1] == "export"]
QUICK = [command for command in READY if command not in EXPORTS]
PYTHON = [block for page in PAGES for block in blocks(page, "python")]


def links(page):
    """The relative links of a page: (as written, file, anchor)."""
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if not re.match(r"\w+:", target):
            path, _, anchor = target.partition("#")
            yield target, (page.parent / path).resolve() if path else page, anchor


@pytest.mark.parametrize("page", [*PAGES, CHANGELOG], ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    broken = []
    for target, file, anchor in links(page):
        slugs = _slugs(file) if anchor and file.is_file() else ()
        if not file.exists() or (anchor and anchor not in slugs):
            broken.append(target)
    assert not broken


def _slugs(page):
    """The anchors of a page's headings, as GitHub makes them."""
    titles = HEADING.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_each_page_is_linked_from_another():
    linked = {file for page in PAGES for _, file, _ in links(page) if file != page}
    assert not [page.name for page in DOCS if page not in linked]


@pytest.mark.parametrize("command", ALL_COMMANDS, ids=str)
def test_commands_parse(command, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    try:
        parse(command)
    except SystemExit:  # argparse has said why
        pytest.fail(f"{command}: does not parse: {command.text}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_in_sentences_are_known(page):
    named = [(option, code) for code in inline_code(page) for option in re.findall(r"(?<!\S)--[\w.-]+", code.text)]
    unknown = [f"{code}: {option}" for option, code in named if option not in known_options() | ELSEWHERE]
    assert not unknown


def test_extras_in_sentences_are_known():
    setup = configparser.ConfigParser()
    setup.read(REPOSITORY / "setup.cfg")
    named = {extra for page in PAGES for extra in re.findall(r"rankiqa\[(\w+)\]", page.read_text(encoding="utf-8"))}
    assert named <= set(setup["options.extras_require"])


@pytest.mark.parametrize("page", sorted({command.page for command in QUICK}), ids=lambda page: page.name)
def test_quick_commands_run(page, workspace, capsys):
    for command in QUICK:
        if command.page == page:
            status = main(command.words[1:])
            command.check(status, "".join(capsys.readouterr()))


@pytest.mark.slow
@pytest.mark.parametrize("command", EXPORTS, ids=str)
def test_exports_run(command, workspace, capsys):
    pytest.importorskip("onnxruntime")
    status = main(command.words[1:])
    command.check(status, "".join(capsys.readouterr()))


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_blocks_run(block, workspace):
    if "integrations.torchmetrics" in block.text:
        pytest.importorskip("torchmetrics")
    text = block.text.replace("REPOSITORY", str(REPOSITORY))
    code = compile("\n" * (block.line - 1) + text, block.page, "exec")  # a traceback tells the line of the page
    with patch.dict(DISTORTIONS):
        exec(code, {"__name__": "__main__"})
