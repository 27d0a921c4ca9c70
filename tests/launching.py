"""The scripts in train/, run by the Python that runs the tests."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def environment(**more: str) -> dict[str, str]:
    """In which a script finds that Python's programs, whether or not its environment is activated or in `.venv`."""
    programs = os.path.dirname(sys.executable)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"VIRTUAL_ENV": os.path.dirname(programs), "PATH": path} | more


def run_in_two(script: str, *flags: str) -> None:
    """Run a script of train/ as two processes on the CPU; what it said is the failure, if there is one."""
    done = subprocess.run(
        ["bash", f"train/{script}", *flags],
        cwd=ROOT,
        env=environment(OMP_NUM_THREADS="1", LAUNCH="--cpu --num_processes 2"),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
