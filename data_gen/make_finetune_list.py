"""The list files of the original RankIQA; `--help` tells the options."""

import sys

from rankiqa.cli.make_finetune_list import main

if __name__ == "__main__":
    sys.exit(main())
