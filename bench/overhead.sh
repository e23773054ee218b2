#!/bin/bash
# What observation costs: the same load, bare and under each way to observe it, in guests whose time is tied to their instructions.
#
#   overhead.sh BUILD [SERIES...]       all that follows, for 6.12 and 7.3 by default; BUILD has swaptraild, swaptrail and touch
#   overhead.sh --guest BUILD KIND      inside a guest: a line `WAY ELAPSED BUSY OBSERVER LOST` for each way, with swap on KIND
#                                       (tests/vm/areas.sh)
#
# The load writes 160 MiB twice under a limit of 64 MiB. On zram all of its time is spent on the one CPU, and so is the
# observer's: elapsed time repeats within 1 %. On nvme the guest also waits for a disk outside of its own time: there only
# the time counts in which the CPU is busy. `observer` is the observer's own part of that. Ways that need bpftrace are left out
# where it is missing.
set -uo pipefail
here=$(dirname "$(readlink -f "$0")")
# The functions that swaptraild follows; of those with other names, or that can't be followed on some kernels, the first there is.
readonly hooks=(shrink_folio_list 'add_to_swap|folio_alloc_swap' try_to_unmap try_to_unmap_one 'swap_writepage|swap_writeout'
    __swap_writepage folio_end_writeback __remove_mapping 'delete_from_swap_cache|swap_cache_del_folio' do_swap_page swap_read_folio
    'swap_entry_range_free|__swap_cluster_free_entries|swap_entries_free')
readonly counted=(try_to_unmap __remove_mapping do_swap_page __swap_writepage)

# The text of a bpftrace program for these functions.
programs() { # KIND BODY FUNCTION[|FUNCTION]...
    local kind=$1 body=$2 names name text=''
    shift 2
    for names in "$@"; do
        for name in ${names//|/ }; do
            grep -q " [tT] $name$" /proc/kallsyms || continue
            text+="$kind:$name $body "
            break
        done
    done
    echo "$text"
}

observer_pid=''

observe() { # WAY BUILD: starts the observer, and waits until it observes
    local log=/tmp/observer.log
    : >"$log"
    case $1 in
        bare | again) return 0 ;;
        floor) bpftrace -e "BEGIN { printf(\"ready\\n\"); } $(programs kfunc '{}' "${hooks[@]}")" >"$log" 2>&1 & ;;
        peer-counts) bpftrace -e "BEGIN { printf(\"ready\\n\"); } $(programs kprobe '{ @[func] = count(); }' "${counted[@]}")" >"$log" 2>&1 & ;;
        peer-prints) bpftrace -e "BEGIN { printf(\"ready\\n\"); } $(programs kprobe '{ printf("%llu %s %d\n", nsecs, func, tid); }' "${counted[@]}")" >"$log" 2>&1 & ;;
        full) "$2/daemon/swaptraild" --print=none >/dev/null 2>"$log" & ;;
        sample) "$2/daemon/swaptraild" --print=none --sample=16 >/dev/null 2>"$log" & ;;
        counters) "$2/daemon/swaptraild" --print=none --detail=counters >/dev/null 2>"$log" & ;;
        text) "$2/daemon/swaptraild" --print=text >/tmp/lines 2>"$log" & ;;
        *) echo "overhead.sh: no way is called $1" >&2 && return 2 ;;
    esac
    observer_pid=$!
    while kill -0 "$observer_pid" 2>/dev/null; do
        ! grep -q ready "$log" || { sleep 3 && return; }
        sleep 0.5
    done
    echo "overhead.sh: $1: $(tail -n1 "$log")" >&2
    observer_pid=''
    return 1
}

observe_end() {
    [[ $observer_pid ]] || return 0
    kill -TERM "$observer_pid" 2>/dev/null
    wait "$observer_pid"
    observer_pid=''
}

# Seconds, from counts of 10 ms.
busy() { awk '$1 == "cpu" { print ($2 + $3 + $4 + $7 + $8) / 100; exit }' /proc/stat; }
own() { if [[ $observer_pid ]]; then awk '{ print ($14 + $15) / 100 }' "/proc/$observer_pid/stat"; else echo 0; fi; }
difference() { awk -v a="$1" -v b="$2" 'BEGIN { print b - a }'; }

in_guest() { # BUILD KIND
    local way elapsed lost busy_before own_before cost ways=(bare full sample counters text)
    # shellcheck source=tests/vm/areas.sh
    source "$here/../tests/vm/areas.sh"
    ! command -v bpftrace >/dev/null || ways+=(floor peer-counts peer-prints)
    mountpoint -q /sys/fs/cgroup || mount -t cgroup2 none /sys/fs/cgroup || return
    mountpoint -q /sys/kernel/tracing || mount -t tracefs none /sys/kernel/tracing 2>/dev/null
    echo +memory >/sys/fs/cgroup/cgroup.subtree_control
    trap 'observe_end; area_down' EXIT
    for way in "${ways[@]}" again; do
        area_up "$2" || return
        if observe "$way" "$1"; then
            busy_before=$(busy) own_before=$(own)
            elapsed=$("$1/bench/touch" 160 64 /sys/fs/cgroup/overhead) || elapsed=failed
            cost="$(difference "$busy_before" "$(busy)") $(difference "$own_before" "$(own)")"
            lost=-
            [[ $way != full && $way != sample && $way != counters ]] || lost=$("$1/cli/swaptrail" status | awk '$1 == "dropped" { print $2 + $5 }')
            observe_end
            echo "$way $elapsed $cost ${lost:-?}"
        fi
        area_down || return
    done
}

# The lines of a guest as a table, against the mean of the bare runs.
table() {
    awk '$2 + 0 > 0 { way[++n] = $1; elapsed[n] = $2; busy[n] = $3; own[n] = $4; lost[n] = $5 }
        $1 == "bare" || $1 == "again" { bare_elapsed += $2 / 2; bare_busy += $3 / 2 }
        END {
            if (!bare_busy) exit 1
            print "| way | elapsed, s | over bare | CPU busy, s | over bare | observer, s | records lost |"
            print "|---|---|---|---|---|---|---|"
            for (i = 1; i <= n; ++i) printf "| %s | %.2f | %+.1f %% | %.2f | %+.1f %% | %.2f | %s |\n", way[i], elapsed[i],
                100 * (elapsed[i] / bare_elapsed - 1), busy[i], 100 * (busy[i] / bare_busy - 1), own[i], lost[i]
        }'
}

if [[ ${1-} == --guest ]]; then
    in_guest "$2" "$3"
    exit
fi
[[ $# -ge 1 ]] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
build=$(readlink -f "$1")
shift
series=("$@")
[[ ${#series[@]} -gt 0 ]] || series=(6.12 7.3)
code=0
for one in "${series[@]}"; do
    for kind in ${SWAPTRAIL_OVERHEAD_KINDS-zram nvme}; do
        echo
        echo "Linux $one, $kind:"
        echo
        "$here/../tests/vm/guest.sh" "$one" --icount --memory 768 --timeout 3000 -- \
            "$here/overhead.sh" --guest "$build" "$kind" | table || code=1
    done
done
exit $code
