#!/usr/bin/env bash
# Fine-tune one branch on human scores:  bash train/finetune.sh --init RUN --dataset NAME --root DIR [--split …] [flags]
# Without --init, from ImageNet alone: --model.name vgg16. `bash train/finetune.sh --help` tells all settings.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
launch finetune.py "$@"
