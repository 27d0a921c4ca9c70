"""Train a NIMA on votes; `--help` tells the options."""

import sys

from rankiqa.cli.train_nima import main

if __name__ == "__main__":
    sys.exit(main())
