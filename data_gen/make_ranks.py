"""Make ranked images from pristine photos; `--help` tells the options."""

import sys

from rankiqa.cli.make_ranks import main

if __name__ == "__main__":
    sys.exit(main())
