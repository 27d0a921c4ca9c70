"""The pages on training, run from their first command to their last, through the shell, at a thousandth of the size."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, commands
from tests.launching import environment

PAGES = [page for page in DOCS if page.name in ("your-own-data.md", "reproduce.md")]

# What makes a run small: a step, a small input (224 pixels take twelve times as long as 64), random weights (nothing is
# downloaded), no loader processes. The data sets of the workspace are too small to hold anything out to validate on.
RUN = "--steps 1 --log_every 1"
NIMA = "--model.weights none --data.workers 0 --data.val_fraction 0"
SMALL = {
    "make_ranks.py": "--workers 1",
    "train_rank.sh": f"{RUN} --model.weights none --model.crop 64 --data.workers 0 --data.holdout 1 --val_patches 1",
    "train_joint.sh": f"{RUN} --model.weights none --model.crop 64 --people.crop 64 --data.workers 0 --val_patches 1",
    "finetune.sh": f"{RUN} --data.workers 0 --data.val_fraction 0 --batch.images 4 --val_patches 1",
    "train_nima.sh": f"{RUN} {NIMA} --model.crop 96 --model.resize 112 --batch.images 2",
    "train_siamese_nima.sh": f"{RUN} --workers 0 --batch.pairs 2 --batch.buckets 2",
    "eval_all.py": "--patches 2 --bootstrap 20",
}


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_runs_from_its_first_command_to_its_last(page, workspace):
    for command in commands(page):
        words = command.words
        line = shlex.join([*words, *shlex.split(SMALL.get(Path(words[1]).name, ""))])
        done = subprocess.run(
            line, shell=True, env=environment(CUDA_VISIBLE_DEVICES=""), capture_output=True, text=True, timeout=300
        )
        command.check(done.returncode, done.stdout + done.stderr)
        for folder in workspace.glob("runs/*/checkpoints"):  # a gigabyte of each run of VGG-16, and no page needs them
            shutil.rmtree(folder)
    shutil.rmtree("runs")  # some gigabytes, which pytest would keep
