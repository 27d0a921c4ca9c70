"""Train a network on ranked images; `--help` tells the options."""

import sys

from rankiqa.cli.train_rank import main

if __name__ == "__main__":
    sys.exit(main())
