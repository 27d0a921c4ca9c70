#!/usr/bin/env bash
# Train a network on ranked images:  bash train/train_rank.sh [--config FILE.yaml] [flags]
# `bash train/train_rank.sh --help` tells all settings. What accelerate should do (several devices, several
# machines) goes into LAUNCH, for example  LAUNCH="--cpu --num_processes 2" bash train/train_rank.sh …
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=""
if [ -z "${VIRTUAL_ENV:-}" ] && [ -x "$here/../.venv/bin/accelerate" ]; then bin="$here/../.venv/bin/"; fi

given=" $* "
case "$given" in
*" --help "* | *" -h "*) exec "${bin}python" "$here/train_rank.py" --help ;;
esac
case "$given" in
*" --config"* | *" --resume"*) ;;
*) set -- --config "$here/configs/quick.yaml" "$@" ;;
esac

# accelerate's launcher turns every failure into status 1 and a traceback of its own: the script leaves its status here.
status=$(mktemp)
trap 'rm -f "$status"' EXIT
# Without these the launcher prints a page of defaults that it assumed.
read -r -a launch <<<"${LAUNCH:---num_processes 1}"
RANKIQA_STATUS_FILE=$status "${bin}accelerate" launch --quiet --num_machines 1 --mixed_precision no \
    --dynamo_backend no "${launch[@]}" "$here/train_rank.py" "$@"
code=$?
[ "$code" -eq 0 ] || code=$(cat "$status")
exit "${code:-1}"
