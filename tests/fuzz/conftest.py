"""Every test here is marked `fuzz`; at the end stands how many inputs were really tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.harness import SEED, Trial

HERE, INPUTS = Path(__file__).parent, "fuzz inputs"


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.fuzz)


@pytest.fixture
def trial(request, capfd):
    found = Trial(capfd)
    yield found
    request.node.user_properties.append((INPUTS, found.count))  # pytest-xdist sends them along


def pytest_terminal_summary(terminalreporter):
    reports = [
        report for kind in terminalreporter.stats.values() for report in kind if isinstance(report, pytest.TestReport)
    ]
    total = sum(count for r in reports if r.when == "teardown" for name, count in r.user_properties if name == INPUTS)
    if total:
        how = f"RANKIQA_FUZZ_SEED={SEED}" if SEED else "the same ones each time; RANKIQA_FUZZ_SEED=N tries others"
        terminalreporter.write_line(f"{total:,} inputs tried ({how})")
