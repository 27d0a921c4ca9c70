"""The paper's three experiments; `--help` tells the options."""

import sys

from rankiqa.cli.eval_experiments import main

if __name__ == "__main__":
    sys.exit(main())
