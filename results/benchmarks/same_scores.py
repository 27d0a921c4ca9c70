"""Are the scores of another checkout these? The largest differences, by model, runtime and mode, of a few photos.

git worktree add ../before COMMIT
python results/benchmarks/same_scores.py ../before
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parents[2]
MODELS, RUNTIMES, MODES = ("default", "ranks"), ("torch", "onnx"), ("whole", "dense", "random")
ASK = "--scores"  # of a process of its own, in a checkout


def main(argv: Sequence[str] | None = None) -> int:
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv == [ASK]:
        print(json.dumps(scores()))
        return 0
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("checkout", type=Path, help="folder of the other checkout")
    parse.add_argument("--most", type=float, default=1e-6, help="above which the status is 1")
    args = parse.parse_args(argv)
    before, now = (asked(place) for place in (args.checkout.resolve(), HERE))
    print(
        "| model | runtime | mode | photos | largest difference of a score | of a spread |\n|---|---|---|---|---|---|"
    )
    largest = 0.0
    for what, rows in now.items():
        pairs = list(zip(rows, before[what], strict=True))
        value, spread = (max(abs(one[k] - other[k]) for one, other in pairs) for k in range(2))
        largest = max(largest, value, spread)
        print(f"| {what.replace(' ', ' | ')} | {len(rows)} | {value:.1e} | {spread:.1e} |")
    return int(largest > args.most)


def asked(checkout: Path) -> dict[str, list[list[float]]]:
    """What the package of a checkout says, in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, ASK],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout)},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


def scores() -> dict[str, list[tuple[float, float]]]:
    """By "MODEL RUNTIME MODE": score and spread of each of scikit-image's photos, and of one without its border."""
    import numpy as np
    import torch
    from PIL import Image

    import rankiqa
    from rankiqa.images import builtin_photos
    from rankiqa.integrations.onnx_runtime import onnx_network

    torch.set_num_threads(1)
    whole = [np.array(Image.open(builtin_photos.folder() / name).convert("RGB")) for name in builtin_photos.PHOTOS]
    photos = [*whole, whole[0][3:-4, 5:-6]]
    found = {}
    for model in MODELS:
        for runtime in RUNTIMES:
            scorer = rankiqa.load(model, "cpu")
            if runtime == "onnx":
                scorer.score_by(onnx_network)
            for mode in MODES:
                rows = [scorer.score(photo, mode=mode, patches=3) for photo in photos]
                found[f"{model} {runtime} {mode}"] = [(row.value, row.spread) for row in rows]
    return found


if __name__ == "__main__":
    sys.exit(main())
