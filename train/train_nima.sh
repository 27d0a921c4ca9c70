#!/usr/bin/env bash
# Train a NIMA on the distribution of people's votes:  bash train/train_nima.sh --root AVA [--config FILE.yaml] [flags]
# `bash train/train_nima.sh --help` tells all settings; launch.sh tells how to use several devices.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
launch_with nima_ava.yaml train_nima.py "$@"
