#!/bin/bash
# Holds the estimates of `swaptrail what-if` against a guest that really has what was asked for.
#
#   whatif.sh [options]
#
#   --kernel SERIES         of kernels.sh; 6.12 by default
#   --patterns "uniform"    of pattern.cpp: hotcold and uniform by default
#   --guests DIR            keeps the guest's results there; existing ones are not run again
#   --swaptraild PROGRAM    build/release/daemon/swaptraild by default
#   --swaptrail PROGRAM     build/release/cli/swaptrail by default
#
# In one guest the same accesses are made several times: once recorded by swaptraild under a limit of 14 MiB, and then, without
# swaptraild, under a higher limit, with zswap, and with another vm.page-cluster. whatif.py asks the recording for each of these
# and compares the answer with what the kernel counted (/proc/vmstat). Run it alone: beside others an emulated guest loses
# records, and the kernel itself reads up to a tenth more or less for the same accesses. Exit code: 0 all near enough, 1 one
# is not, 75 no such guest.
# shellcheck disable=SC2317 # called with --in-guest
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
root=$(readlink -f "$here/../..")
readonly LIMIT_MIB=14 AREA_MIB=512 BOTH_ZRAM_MIB=8

usage() { sed -n '2,16s/^# \{0,1\}//p' "$0" >&2; exit 2; }

# NAME DEVICE MORE-MIB PAGE-CLUSTER ZSWAP-MIB RECORD. zswap's pool is charged to the limit: it comes on top. The device both:N is
# nvme with the priority 10 and a small zram with N.
cases() {
    cat <<'CASES'
base nvme 0 0 0 record
more2 nvme 2 0 0 -
more4 nvme 4 0 0 -
more8 nvme 8 0 0 -
more16 nvme 16 0 0 -
pool2 zswap 2 0 2 -
pool4 zswap 4 0 4 -
ahead1 nvme 0 1 0 -
ahead3 nvme 0 3 0 -
disk virtio 0 0 0 record
disk1 virtio 0 1 0 -
disk3 virtio 0 3 0 -
two both:10 0 0 0 record
first both:20 0 0 0 -
CASES
}

# ---- inside a guest: --in-guest PROGRAM SWAPTRAILD OUT PATTERN... -----------------------------------

daemon_pid='' area_device='' # areas.sh sets the second
daemon_start() { # SWAPTRAILD DIR
    local tries
    "$1" --print=none --ring-size 32 --record "$2" 2>"$2.err" >/dev/null &
    daemon_pid=$!
    for ((tries = 0; tries < 300; tries++)); do
        ! grep -q ready "$2.err" || return 0
        kill -0 "$daemon_pid" 2>/dev/null || break
        sleep 0.2
    done
    echo "whatif.sh: swaptraild does not start: $(tail -n1 "$2.err")" >&2
    return 1
}

daemon_stop() {
    [[ $daemon_pid ]] || return 0
    kill -TERM "$daemon_pid" || true
    wait "$daemon_pid" || echo "whatif.sh: swaptraild ended with code $?" >&2
    daemon_pid=''
}

both_up() { # PRIORITY
    area_up nvme && modprobe zram && echo "${BOTH_ZRAM_MIB}M" >/sys/block/zram0/disksize || return
    mkswap -f /dev/zram0 >/dev/null && swapoff "$area_device" && swapon -p 10 "$area_device" && swapon -p "$1" /dev/zram0
}
both_down() {
    swapoff /dev/zram0 && echo 1 >/sys/block/zram0/reset
}

run_case() { # PROGRAM SWAPTRAILD OUT PATTERN NAME DEVICE MORE CLUSTER ZSWAP RECORD
    local out=$3/$4-$5 cgroup=/sys/fs/cgroup/whatif code=0
    [[ ! -s $out.json ]] || return 0
    if [[ $6 == both:* ]]; then both_up "${6#both:}"; else area_up "$6" "$AREA_MIB"; fi || return
    mkdir "$cgroup"
    [[ $9 == 0 ]] || echo "$9M" >"$cgroup/memory.zswap.max"
    [[ ${10} == - ]] || { mkdir -p "$out.recording" && daemon_start "$2" "$out.recording"; } || code=1
    [[ $code != 0 ]] || "$1" "$4" --page-cluster "$8" --limit $((LIMIT_MIB + $7)) --repeat-percent 70 \
        --cgroup "$cgroup" >"$out.json" || code=1
    [[ $6 != both:* ]] || cp /sys/block/zram0/stat "$out.zram"
    daemon_stop
    [[ $code == 0 ]] || rm -f "$out.json"
    rmdir "$cgroup"
    [[ $6 != both:* ]] || both_down || code=1
    area_down || code=1
    return $code
}

in_guest() { # PROGRAM SWAPTRAILD OUT PATTERN...
    local name device more cluster zswap record pattern code=0
    # shellcheck source=tests/vm/areas.sh
    source "$here/areas.sh"
    # Copies in memory: so that no page of a program is read late, or charged to the cgroup.
    cp "$1" /tmp/pattern
    cp "$2" /tmp/swaptraild
    for pattern in "${@:4}"; do
        while read -r name device more cluster zswap record; do
            run_case /tmp/pattern /tmp/swaptraild "$3" "$pattern" "$name" "$device" "$more" "$cluster" "$zswap" \
                "$record" </dev/null || code=1
        done < <(cases)
    done
    return $code
}

if [[ ${1-} == --in-guest ]]; then
    shift
    code=0
    in_guest "$@" || code=$?
    exit $code
fi

# ---- the host --------------------------------------------------------------------------------------

kernel=6.12 patterns='hotcold uniform' guests=''
swaptraild=$root/build/release/daemon/swaptraild swaptrail=$root/build/release/cli/swaptrail
while [[ $# -gt 0 ]]; do
    [[ $# -ge 2 ]] || usage
    case $1 in
        --kernel) kernel=$2 ;;
        --patterns) patterns=$2 ;;
        --guests) guests=$2 ;;
        --swaptraild) swaptraild=$2 ;;
        --swaptrail) swaptrail=$2 ;;
        *) usage ;;
    esac
    shift 2
done
for program in "$swaptraild" "$swaptrail"; do
    [[ -x $program ]] || { echo "whatif.sh: no $program: build it first" >&2; exit 75; }
done
scratch=''
trap '[[ ! $scratch ]] || rm -rf "$scratch"' EXIT
[[ $guests ]] || { scratch=$(mktemp -d /var/tmp/whatif-XXXXXX); guests=$scratch; }
guests=$(mkdir -p "$guests" && readlink -f "$guests")
mkdir -p "$root/build/vm"
program=$root/build/vm/pattern
if [[ ! $program -nt $here/pattern.cpp ]]; then
    "${CXX:-g++}" -std=c++20 -O2 -Wall -Wextra -static -o "$program" "$here/pattern.cpp"
fi
read -ra wanted <<<"$patterns"
code=0
"$here/guest.sh" "$kernel" --share "$guests" --memory 1024 --virtio-disk "$AREA_MIB" --timeout 1800 -- \
    "$here/whatif.sh" --in-guest "$program" "$(readlink -f "$swaptraild")" /share "${wanted[@]}" || code=$?
[[ $code != 75 ]] || exit 75
[[ $code == 0 ]] || echo "whatif.sh: the guest ended with code $code" >&2
cases | python3 "$here/whatif.py" "$swaptrail" "$guests" "${wanted[@]}" || code=1
exit $code
