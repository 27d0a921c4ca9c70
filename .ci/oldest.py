"""Print the lowest versions that setup.cfg promises, a requirement a line: `torch==2.4` of torch>=2.4.

For pip: `python .ci/oldest.py > oldest.txt; pip install -r oldest.txt`. What has no bound is left as it is.
"""

import configparser
from collections.abc import Iterator
from pathlib import Path

SETUP = Path(__file__).parents[1] / "setup.cfg"


def lowest(text: str) -> Iterator[str]:
    """The requirements of a file like setup.cfg, of all extras too, each at its lower bound and once."""
    setup = configparser.ConfigParser(interpolation=None)
    setup.read_string(text)
    lists = (setup["options"]["install_requires"], *setup["options.extras_require"].values())
    lines = dict.fromkeys(line.strip() for lines in lists for line in lines.splitlines())
    own = setup["metadata"]["name"]
    for line in lines:
        if line and not line.startswith(f"{own}["):
            yield line.replace(">=", "==")


if __name__ == "__main__":
    print(*lowest(SETUP.read_text(encoding="utf-8")), sep="\n")
