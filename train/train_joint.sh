#!/usr/bin/env bash
# Train on ranked images and human scores at once:  bash train/train_joint.sh --config FILE.yaml [flags]
# `bash train/train_joint.sh --help` tells all settings; launch.sh tells how to use several devices.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
launch train_joint.py "$@"
