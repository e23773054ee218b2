#!/bin/bash
# Runs inside a guest: swaptraild watches the workload, once for each case.
#
#   cases.sh BIN OUT KIND-SCENARIO...
#
# BIN has swaptraild, swaptrail, workload and actor. KIND is a swap area of areas.sh, SCENARIO one of
# workload.cpp's, or of back.sh, or `swapoff`: the area is swapped off under a running workload, onto
# zram. OUT/KIND-SCENARIO gets for check.py:
#
#   result               `done`, `skip REASON` or `fail REASON`
#   daemon.jsonl .err    what swaptraild said
#   oracle.1 .2          the workload's, after it was reclaimed and after it read all pages back; of
#                        actors: oracle.PHASE-NAME
#   marks                `PHASE BYTES`: the length of daemon.jsonl when a phase had ended
#   mthp.before .after   the counters of each size of large folio, as vmstat's
#   used.after           what /proc/swaps, VmSwap of all processes and the swap cache had at that time
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
# shellcheck source=tests/vm/actors.sh
source "$here/actors.sh"
# shellcheck source=tests/vm/back.sh
source "$here/back.sh"

[[ $# -ge 3 ]] || { sed -n '2,24s/^# \{0,1\}//p' "$0" >&2; exit 2; }
# shellcheck disable=SC2034  # some are for actors.sh and back.sh
daemon=$1/swaptraild swaptrail=$1/swaptrail workload=$1/workload actor=$1/actor out=$2
shift 2
readonly cgroup=/sys/fs/cgroup/swaptrail-test
readonly patience_s=400 # nvme-full takes 200 s beside two other guests
read -ra daemon_args <<<"${SWAPTRAILD_ARGS-}"
daemon_pid='' dir='' beside_device='' failed=0

# How much memory, and under which limit: sized for software emulation. The contents of zswap are
# charged to the cgroup too, and the pages shrink only by half.
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

# A pipe that never delivers anything. Reading it is a sleep without a process: starting one takes an emulated CPU a
# tenth of a second.
exec {nothing}<> <(:)

wait_until() { # SECONDS COMMAND...
    local end=$((SECONDS + $1))
    until "${@:2}"; do
        [[ $SECONDS -lt $end ]] || return 1
        read -rt 0.2 -u "$nothing"
    done
    return 0
}

# shellcheck disable=SC2317  # called by wait_until
daemon_ready() {
    local lines
    { mapfile -t lines <"$1/daemon.err"; } 2>/dev/null # it may not be there yet
    [[ ${lines[*]} == *ready* ]] || daemon_gone
}
daemon_gone() { ! kill -0 "$daemon_pid" 2>/dev/null; }

daemon_start() { # DIR
    local record=()
    [[ ! ${SWAPTRAIL_CASES_RECORD-} ]] || record=(--record "$1/recording")
    case $1 in
        *-onecpu) record+=(--ring-size 1) ;;
        *-full | *-attach) record+=(--ring-size 32) ;; # an emulated swaptraild falls seconds behind
    esac
    "$daemon" --print=jsonl "${record[@]}" "${daemon_args[@]}" >/tmp/daemon.jsonl 2>"$1/daemon.err" &
    daemon_pid=$!
    wait_until 120 daemon_ready "$1" && ! daemon_gone && return
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
    read -rt "$patience_s" -u "$work_out" line
    [[ $line == ready ]] && return
    workload_end "$1"
}

workload_step() { # DIR: lets it read its pages back
    local line=''
    echo >&"$work_in"
    read -rt "$patience_s" -u "$work_out" line
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

# The end of a phase: all is quiet, and swaptraild has printed what it knows.
mark() { # PHASE
    settle
    sleep 1
    echo "$1 $(stat -c %s /tmp/daemon.jsonl)" >>"$dir/marks"
}

mthp_stats() { # nothing before 6.8
    grep -s . /sys/kernel/mm/transparent_hugepage/hugepages-*/stats/* |
        sed 's:.*/hugepages-::; s:stats/::; s/:/ /'
    return 0
}

# Pages in swap, according to the kernel.
record_used() { # FILE
    {
        echo "used $(used_pages)"
        echo "cpus $(nproc)"
        awk '/^SwapCached/ { print "swap_cached", $2 / 4 }' /proc/meminfo
        grep -sh ^VmSwap /proc/[0-9]*/status | awk '/^VmSwap/ { sum += $2 } END { print "vmswap", sum / 4 }'
    } >"$1"
}

workload_acts() { # DIR SCENARIO
    workload_start "$1" "$2" || return
    mark 1
    case $2 in
        pageout) ;; # swaptraild ends while the pages are out
        swapoff) swapoff_step "$1" || return ;;
        *) workload_step "$1" && mark 2 && workload_end "$1" || return ;;
    esac
}

# What a scenario of back.sh does; `before`, if there is any of it.
actors_act() { # DIR SCENARIO PART
    [[ $(type -t "$3_$2") == function ]] || return 0
    "$3_$2" && return
    [[ ! -s $1/skip ]] || { give_up "$1" skip "$(<"$1/skip")"; return; }
    give_up "$1" fail "$3 $2: $(tail -n1 "$1/actors.err" 2>/dev/null)"
}

# The order of actions and records.
watch() { # DIR SCENARIO
    actors_act "$1" "$2" before || return
    daemon_start "$1" || return
    [[ $2 == attach ]] || settle
    cat /proc/vmstat >"$1/vmstat.before"
    mthp_stats >"$1/mthp.before"
    if [[ $(type -t "back_$2") == function ]]; then
        actors_act "$1" "$2" back && actors_end || return
    else
        workload_acts "$1" "$2" || return
    fi
    mark end
    cat /proc/vmstat >"$1/vmstat.after"
    mthp_stats >"$1/mthp.after"
    record_used "$1/used.after"
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
    local mib=512
    case $2 in
        swapoff) zram_beside_up || return ;;
        areafull) mib=4 ;;
        thpfull) mib=3 ;;
    esac
    area_up "$1" "$mib" || return
    if [[ $2 == swapoff ]]; then swapoff "$area_device" && swapon -p 10 "$area_device"; fi
}

run_case() { # KIND SCENARIO
    local cluster
    dir=$out/$1-$2
    work_pid=''
    cluster=$(</proc/sys/vm/page-cluster)
    mkdir -p "$dir"
    uname -r >"$dir/kernel"
    areas_up "$1" "$2" 2>"$dir/area.err"
    case $? in
        0) watch "$dir" "$2" && echo "done" >"$dir/result" ;;
        75) give_up "$dir" skip "$(tail -n1 "$dir/area.err")" ;;
        *) give_up "$dir" fail "no swap area: $(tail -n1 "$dir/area.err")" ;;
    esac
    clean_up "$dir"
    actors_act "$dir" "$2" after
    readahead "$cluster"
}

# Removes whatever is left of a case that failed.
clean_up() { # DIR
    workload_end "$1"
    actors_end
    daemon_stop "$1"
    if ! area_down || ! zram_beside_down; then give_up "$1" fail "the swap area can't be undone"; fi
}

# Delay accounting, for programs that start from now on; before 5.14 it can't be switched.
[[ ! -e /proc/sys/kernel/task_delayacct ]] || echo 1 >/proc/sys/kernel/task_delayacct
sync
echo 3 >/proc/sys/vm/drop_caches
for case in "$@"; do
    started=$SECONDS
    run_case "${case%%-*}" "${case#*-}"
    echo "$case: $(<"$out/$case/result") ($((SECONDS - started)) s)"
done
exit $failed
