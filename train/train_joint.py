"""Train a network on ranked images and human scores at once; `--help` tells the options."""

import sys

from rankiqa.cli.train_joint import main

if __name__ == "__main__":
    sys.exit(main())
