"""The mean of the weights of two trained networks, the one that a training ended with and the one that it began with.

python results/default_models/average.py FIRST.safetensors SECOND.safetensors --out FILE

Both are near enough for it: the mean of the second and the third round of `default` was better on part val than either.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from safetensors.torch import load_file, save_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, nargs=2)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    first, second = map(load_file, args.weights)
    save_file(
        {n: t if not t.is_floating_point() else (t.float() + second[n].float()) / 2 for n, t in first.items()}, args.out
    )


if __name__ == "__main__":
    main()
