"""Fine-tune one branch on human scores; `--help` tells the options."""

import sys

from rankiqa.cli.finetune import main

if __name__ == "__main__":
    sys.exit(main())
