"""The lowest versions that setup.cfg promises, as `make test-oldest` installs them."""

import runpy
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
SETUP = """\
[metadata]
name = mine
[options]
install_requires =
    torch>=2.4
    # why
    numpy>=1.26
[options.extras_require]
some =
    dask[distributed]>=2024.1
    numpy>=1.26
all =
    mine[some]
    types-tqdm
"""
oldest = runpy.run_path(str(ROOT / ".ci" / "oldest.py"))


def test_each_bound_is_a_version_and_each_package_is_there_once():
    found = list(oldest["lowest"](SETUP))
    assert found == ["torch==2.4", "numpy==1.26", "dask[distributed]==2024.1", "types-tqdm"]


def test_all_that_is_promised_has_a_bound():
    promised = [Requirement(line) for line in oldest["lowest"](oldest["SETUP"].read_text(encoding="utf-8"))]
    names = [one.name for one in promised]
    assert len(set(names)) == len(names) and {"torch", "numpy", "timm", "pytest"} <= set(names)
    unbound = {one.name for one in promised if not one.specifier}
    assert unbound == {"types-PyYAML", "types-tqdm"}
    assert all(spec.operator == "==" for one in promised for spec in one.specifier)
