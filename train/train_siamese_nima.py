"""Sharpen a NIMA on pairs of images; `--help` tells the options."""

import sys

from rankiqa.cli.train_siamese_nima import main

if __name__ == "__main__":
    sys.exit(main())
