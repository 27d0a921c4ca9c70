#!/usr/bin/env bash
# Sharpen a NIMA on pairs of images:  bash train/train_siamese_nima.sh --init NIMA --data labels.csv --images DIR [flags]
# `bash train/train_siamese_nima.sh --help` tells all settings; launch.sh tells how to use several devices.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/launch.sh"
launch_with siamese_nima.yaml train_siamese_nima.py "$@"
