#!/bin/bash
# Runs inside a guest: swaptraild watches the workload, once for each case.
#
#   cases.sh DAEMON WORKLOAD OUT KIND-SCENARIO...
#
# KIND is a swap area of areas.sh, SCENARIO one of workload.cpp's, or `swapoff`: the area is swapped
# off under a running workload, onto zram. OUT/KIND-SCENARIO gets for check.py:
#
#   result               `done`, `skip REASON` or `fail REASON`
#   daemon.jsonl .err    what swaptraild said
#   oracle.1 .2          the workload's, after it was reclaimed and after it read all pages back
#   vmstat.before .after /proc/vmstat when swaptraild was ready, and when all was quiet again
#   vmstat.end           ... and when swaptraild had ended
#   kernel               uname -r
#
# Arguments for swaptraild can be given in SWAPTRAILD_ARGS. With SWAPTRAIL_CASES_RECORD it records
# too; with SWAPTRAIL_CASES_SMALL the workloads are small. Exit code 1: a case failed here.
set -uo pipefail
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/vm/areas.sh
source "$here/areas.sh"
# shellcheck source=tests/vm/settle.sh
source "$here/settle.sh"

[[ $# -ge 4 ]] || { sed -n '2,17s/^# \{0,1\}//p' "$0" >&2; exit 2; }
daemon=$1 workload=$2 out=$3
shift 3
readonly cgroup=/sys/fs/cgroup/swaptrail-test
read -ra daemon_args <<<"${SWAPTRAILD_ARGS-}"
daemon_pid='' beside_device='' failed=0

# How much, and under which limit: sized for software emulation. What zswap holds is charged to the
# cgroup too, and the pages shrink only by half.
workload_args() { # SCENARIO
    local limit=16
    [[ ${#area_zswap[@]} == 0 ]] || limit=24
    if [[ ${SWAPTRAIL_CASES_SMALL-} ]]; then
        case $1 in
            anon | shmem | zero) echo "$1 --mib 18 --limit $limit --rounds 1" ;;
            *) echo "$1 --mib 4" ;;
        esac
        return
    fi
    case $1 in
        full) echo "full --mib 300 --limit 100 --rounds 3" ;;
        swapoff) echo "anon --mib 32 --limit $limit --rounds 1 --again 3" ;;
        anon | shmem | zero) echo "$1 --mib 32 --limit $limit --rounds 2" ;;
        *) echo "$1 --mib 24" ;;
    esac
}

give_up() { # DIR WORD REASON
    echo "$2 $3" >"$1/result"
    [[ $2 == skip ]] || failed=1
    return 1
}

wait_until() { # SECONDS COMMAND...
    local end=$((SECONDS + $1))
    until "${@:2}"; do
        [[ $SECONDS -lt $end ]] || return 1
        sleep 0.2
    done
}

# shellcheck disable=SC2317  # called by wait_until
daemon_ready() { grep -q ready "$1/daemon.err" || ! kill -0 "$daemon_pid" 2>/dev/null; }
daemon_gone() { ! kill -0 "$daemon_pid" 2>/dev/null; }

daemon_start() { # DIR
    local record=()
    [[ ! ${SWAPTRAIL_CASES_RECORD-} ]] || record=(--record "$1/recording")
    "$daemon" --print=jsonl "${record[@]}" "${daemon_args[@]}" >/tmp/daemon.jsonl 2>"$1/daemon.err" &
    daemon_pid=$!
    wait_until 60 daemon_ready "$1" && ! daemon_gone && return
    give_up "$1" fail "swaptraild does not start: $(tail -n1 "$1/daemon.err")"
}

daemon_stop() { # DIR
    local code pid=$daemon_pid
    [[ $pid ]] || return 0
    # Not SIGINT: a shell lets what it starts in the background ignore that.
    kill -TERM "$pid" 2>/dev/null
    wait_until 90 daemon_gone || kill -KILL "$pid"
    wait "$pid"
    code=$?
    daemon_pid=''
    cp /tmp/daemon.jsonl "$1/"
    rm /tmp/daemon.jsonl
    [[ $code == 0 ]] || give_up "$1" fail "swaptraild ended with code $code: $(tail -n1 "$1/daemon.err")"
}

workload_start() { # DIR SCENARIO: until its pages are reclaimed and the oracle is written
    local line='' code args
    read -ra args <<<"$(workload_args "$2")"
    mkdir "$cgroup"
    mkfifo /tmp/steps /tmp/ready
    "$workload" "${args[@]}" --cgroup "$cgroup" --oracle "$1/oracle" \
        </tmp/steps >/tmp/ready 2>"$1/workload.err" &
    work_pid=$!
    exec {work_in}>/tmp/steps {work_out}</tmp/ready
    rm /tmp/steps /tmp/ready
    read -rt 200 -u "$work_out" line
    [[ $line == ready ]] && return
    workload_end "$1"
}

workload_step() { # DIR: lets it read its pages back
    local line=''
    echo >&"$work_in"
    read -rt 200 -u "$work_out" line
    [[ $line == ready ]] || workload_end "$1"
}

workload_end() { # DIR
    local code pid=$work_pid
    [[ $pid ]] || return 0
    exec {work_in}>&- {work_out}<&-
    timeout 30 tail --pid="$pid" -f /dev/null || kill -KILL "$pid"
    wait "$pid"
    code=$?
    work_pid=''
    rmdir "$cgroup"
    case $code in
        0) ;;
        75) give_up "$1" skip "$(tail -n1 "$1/workload.err")" ;;
        *) give_up "$1" fail "workload ended with code $code: $(tail -n1 "$1/workload.err")" ;;
    esac
}

# Swaps the area off while the workload goes on, with zram to take what does not fit.
swapoff_step() { # DIR
    local code
    sleep 0.5 && swapoff "$area_device" &
    workload_step "$1" || return
    wait $!
    code=$?
    [[ $code == 0 ]] || give_up "$1" fail "swapoff ended with code $code"
}

# The order of what is done and recorded.
watch() { # DIR SCENARIO
    sync
    echo 3 >/proc/sys/vm/drop_caches
    daemon_start "$1" || return
    settle
    cat /proc/vmstat >"$1/vmstat.before"
    workload_start "$1" "$2" || return
    case $2 in
        pageout) ;; # swaptraild ends while the pages are out
        swapoff) swapoff_step "$1" || return ;;
        *) workload_step "$1" && workload_end "$1" || return ;;
    esac
    settle
    cat /proc/vmstat >"$1/vmstat.after"
    daemon_stop "$1" || return
    cat /proc/vmstat >"$1/vmstat.end"
    [[ ! $work_pid ]] || { workload_step "$1" && workload_end "$1"; }
}

# zram beside the area that comes next, which is then preferred to it.
zram_beside_up() {
    area_up zram 256 || return
    beside_device=$area_device beside_zram=$area_zram
    area_device='' area_zram=''
}

zram_beside_down() {
    [[ $beside_device ]] || return 0
    area_device=$beside_device area_zram=$beside_zram beside_device=''
    area_down
}

areas_up() { # KIND SCENARIO
    if [[ $2 == swapoff ]]; then zram_beside_up || return; fi
    area_up "$1" || return
    if [[ $2 == swapoff ]]; then swapoff "$area_device" && swapon -p 10 "$area_device"; fi
}

run_case() { # KIND SCENARIO
    local dir=$out/$1-$2
    work_pid=''
    mkdir -p "$dir"
    uname -r >"$dir/kernel"
    areas_up "$1" "$2" 2>"$dir/area.err"
    case $? in
        0) watch "$dir" "$2" && echo "done" >"$dir/result" ;;
        75) give_up "$dir" skip "$(tail -n1 "$dir/area.err")" ;;
        *) give_up "$dir" fail "no swap area: $(tail -n1 "$dir/area.err")" ;;
    esac
    clean_up "$dir"
}

# Whatever is left of a case that went wrong.
clean_up() { # DIR
    workload_end "$1"
    daemon_stop "$1"
    if ! area_down || ! zram_beside_down; then give_up "$1" fail "the swap area can't be undone"; fi
}

for case in "$@"; do
    started=$SECONDS
    run_case "${case%%-*}" "${case#*-}"
    echo "$case: $(<"$out/$case/result") ($((SECONDS - started)) s)"
done
exit $failed
