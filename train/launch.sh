# Sourced by the commands beside it:  launch SCRIPT.py [flags]  runs it under accelerate.
# What accelerate should do (several devices, several machines) goes into LAUNCH, for example
# LAUNCH="--cpu --num_processes 2" bash train/train_rank.sh …
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=""
if [ -z "${VIRTUAL_ENV:-}" ] && [ -x "$here/../.venv/bin/accelerate" ]; then bin="$here/../.venv/bin/"; fi

launch() {
    local script="$here/$1"
    shift
    case " $* " in
    *" --help "* | *" -h "*) exec "${bin}python" "$script" --help ;;
    esac
    # What can be known without PyTorch, which takes its time, is told before accelerate is asked.
    RANKIQA_LOOK=1 "${bin}python" "$script" "$@" || exit
    # accelerate's launcher turns every failure into status 1 and a traceback of its own: the script leaves its status here.
    local status code
    status=$(mktemp)
    read -r -a words <<<"${LAUNCH:---num_processes 1}"
    local asked=" ${words[*]} " count
    count=${asked#*" --num_processes "}
    if [[ $asked == *" --cpu "* && $asked == *" --num_processes "* && ${count%% *} -gt 1 ]]; then
        # accelerate starts one process on a CPU, whatever it is asked for; torchrun starts them all.
        RANKIQA_STATUS_FILE=$status ACCELERATE_USE_CPU=true "${bin}torchrun" --nproc_per_node "${count%% *}" "$script" "$@"
    else
        # Without these the launcher prints a page of defaults that it assumed.
        RANKIQA_STATUS_FILE=$status "${bin}accelerate" launch --quiet --num_machines 1 --mixed_precision no \
            --dynamo_backend no "${words[@]}" "$script" "$@"
    fi
    code=$?
    [ "$code" -eq 0 ] || code=$(cat "$status")
    rm -f "$status"
    exit "${code:-1}"
}

# launch_with RECIPE.yaml SCRIPT.py [flags]: the same, with that recipe where the flags name none and resume no run.
launch_with() {
    local recipe="$here/configs/$1" script="$2"
    shift 2
    case " $* " in
    *" --config"* | *" --resume"* | *" --help "* | *" -h "*) ;;
    *) set -- --config "$recipe" "$@" ;;
    esac
    launch "$script" "$@"
}
