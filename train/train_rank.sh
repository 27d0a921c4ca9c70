#!/usr/bin/env bash
# Train a network on ranked images:  bash train/train_rank.sh [--config FILE.yaml] [flags]
# `bash train/train_rank.sh --help` tells all settings; launch.sh tells how to use several devices.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
launch_with quick.yaml train_rank.py "$@"
