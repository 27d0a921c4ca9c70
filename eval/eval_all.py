"""Score images and report the agreement with ranks or people; `--help` tells the options."""

import sys

from rankiqa.cli.eval_all import main

if __name__ == "__main__":
    sys.exit(main())
