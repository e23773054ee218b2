#!/bin/bash
# Compares the engine's free run with kernels: the same accesses under the same limit, in a guest and
# in the engine, must give the same numbers of pages swapped out and in, to 10 %.
#
#   freerun.sh [options]
#
#   --kernels "6.1 6.12"    series of kernels.sh; 6.1, 6.12 and 7.3 by default
#   --devices "zram nvme"   swap areas of areas.sh; these two by default
#   --patterns "uniform"    of pattern.cpp: sequential, uniform and hotcold by default
#   --clusters "0 3"        values of vm.page-cluster; both by default
#   --pattern-args ARGS     more for pattern.cpp, such as "--mib 64 --limit 40 --seed 2"
#   --engine PROGRAM        the engine's side, freerun.cpp; build/dev/tests/vm/freerun by default
#   --guests DIR            keeps the guests' results there; existing ones are not run again
#
# The default sizes are such that a wrong order of reclaim shows: in `hotcold`, first in first out
# would read back 32 % more than least recently used. (With half of the memory it would be none.)
# The engine gets as its limit what the guest had for the pages: memory.max without page tables and
# other memory of the kernel. Exit code: 0 all agree, 1 one does not, 75 nothing to compare.
# shellcheck disable=SC2317 # at_once calls them
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
root=$(readlink -f "$here/../..")
# shellcheck source=tests/vm/at_once.sh
source "$here/at_once.sh"
readonly LIMIT_PERCENT=10 AREA_MIB=512

usage() { sed -n '2,18s/^# \{0,1\}//p' "$0" >&2; exit 2; }

# ---- inside a guest: --in-guest PROGRAM OUT "ARGS" DEVICE-PATTERN-CLUSTER... ---------------------

in_guest() {
    local program=$1 out=$2 args case device pattern cluster code=0
    local cgroup=/sys/fs/cgroup/freerun
    read -ra args <<<"$3"
    shift 3
    # shellcheck source=tests/vm/areas.sh
    source "$here/areas.sh"
    # A copy in memory: so that no page of the program is charged to the cgroup.
    cp "$program" /tmp/pattern
    for case in "$@"; do
        IFS=- read -r device pattern cluster <<<"$case"
        area_up "$device" "$AREA_MIB" || return
        mkdir "$cgroup"
        if ! /tmp/pattern "$pattern" --page-cluster "$cluster" --cgroup "$cgroup" "${args[@]}" \
            >"$out/$case.json"; then
            rm "$out/$case.json"
            code=1
        fi
        rmdir "$cgroup"
        area_down || return
    done
    return $code
}

if [[ ${1-} == --in-guest ]]; then
    shift
    code=0
    in_guest "$@" || code=$?
    exit $code
fi

# ---- the host ------------------------------------------------------------------------------------

kernels='6.1 6.12 7.3' devices='zram nvme' patterns='sequential uniform hotcold' clusters='0 3'
pattern_args='' engine=${SWAPTRAIL_TEST_BUILD:-$root/build/dev}/tests/vm/freerun guests=''
while [[ $# -gt 0 ]]; do
    [[ $# -ge 2 ]] || usage
    case $1 in
        --kernels) kernels=$2 ;;
        --devices) devices=$2 ;;
        --patterns) patterns=$2 ;;
        --clusters) clusters=$2 ;;
        --pattern-args) pattern_args=$2 ;;
        --engine) engine=$2 ;;
        --guests) guests=$2 ;;
        *) usage ;;
    esac
    shift 2
done

[[ -x $engine ]] || { echo "freerun.sh: no $engine: build it first" >&2; exit 75; }
scratch=''
trap '[[ ! $scratch ]] || rm -rf "$scratch"' EXIT
[[ $guests ]] || { scratch=$(mktemp -d /var/tmp/freerun-XXXXXX); guests=$scratch; }
guests=$(mkdir -p "$guests" && readlink -f "$guests")
mkdir -p "$root/build/vm"
program=$root/build/vm/pattern
if [[ ! $program -nt $here/pattern.cpp ]]; then
    "${CXX:-g++}" -std=c++20 -O2 -Wall -Wextra -static -o "$program" "$here/pattern.cpp"
fi

# The area as the guest had it: the disk's size is guest.sh's, zram's ours.
area_mib() { # DEVICE
    if [[ $1 == zram ]]; then echo "$AREA_MIB"; else echo 1024; fi
}

wanted_cases() { # SERIES: those that have no result yet
    local device pattern cluster
    for device in $devices; do
        for pattern in $patterns; do
            for cluster in $clusters; do
                [[ -s $guests/$1/$device-$pattern-$cluster.json ]] ||
                    echo "$device-$pattern-$cluster"
            done
        done
    done
}

run_guest() { # SERIES
    local cases code=0
    mkdir -p "$guests/$1"
    mapfile -t cases < <(wanted_cases "$1")
    [[ ${#cases[@]} -gt 0 ]] || return 0
    "$here/guest.sh" "$1" --share "$guests/$1" --memory 1024 \
        --timeout $((120 + 60 * ${#cases[@]})) -- \
        "$here/freerun.sh" --in-guest "$program" /share "$pattern_args" "${cases[@]}" || code=$?
    [[ $code == 0 ]] || echo "freerun.sh: the guest with $1 ended with code $code" >&2
}

number() { # JSON NAME: of a field that is there only once
    grep -oE "\"$2\": \"?[a-z0-9]+" "$1" | head -n1 | grep -oE '[a-z0-9]+$' || echo 0
}

# What a kernel counts by its backend; the engine counts all.
swapped() { # JSON out|in
    echo $(($(number "$1" "pswp$2") + $(number "$1" "zswp$2") + $(number "$1" "swp$2_zero")))
}

run_engine() { # SERIES DEVICE JSON: prints JSON
    local name args=()
    for name in pattern mib accesses write_percent seed page_cluster; do
        args+=("--${name/_/-}" "$(number "$3" $name)")
    done
    "$engine" --kernel "$1" --device "$2" --area-mib "$(area_mib "$2")" \
        --limit-pages "$(number "$3" anon_limit_pages)" "${args[@]}"
}

compare() { # GUEST ENGINE: the difference in percent, and `far` if it is too much
    awk -v guest="$1" -v engine="$2" -v most="$LIMIT_PERCENT" 'BEGIN {
        percent = guest == engine ? 0 : guest == 0 ? 100 : 100 * (engine - guest) / guest
        far = percent > most || percent < -most
        printf "%+.1f %s\n", percent, far ? "far" : ""
    }'
}

row() { # SERIES CASE
    local json=$guests/$1/$2.json engine_json=$guests/engine.json device=${2%%-*} way guest ours percent far
    local beyond=0
    if [[ ! -s $json ]] || ! run_engine "$1" "$device" "$json" >"$engine_json"; then
        printf '%-6s %-22s no result\n' "$1" "$2"
        failed=$((failed + 1))
        return
    fi
    printf '%-6s %-22s' "$1" "$2"
    for way in out in; do
        guest=$(swapped "$json" $way)
        ours=$(number "$engine_json" swapped_$way)
        read -r percent far <<<"$(compare "$guest" "$ours")"
        printf ' %9d %9d %7s%% %-3s' "$guest" "$ours" "$percent" "$far"
        [[ ! $far ]] || beyond=1
    done
    echo
    failed=$((failed + beyond)) passed=$((passed + 1 - beyond))
}

failed=0 passed=0
# shellcheck disable=SC2086  # a list
at_once run_guest $kernels
printf '%-6s %-22s %9s %9s %8s     %9s %9s %8s\n' kernel case 'guest out' 'engine' '' \
    'guest in' 'engine' ''
for series in $kernels; do
    for device in $devices; do
        for pattern in $patterns; do
            for cluster in $clusters; do row "$series" "$device-$pattern-$cluster"; done
        done
    done
done
[[ $((passed + failed)) -gt 0 ]] || exit 75
echo "$passed passed, $failed failed, 0 skipped"
[[ $failed == 0 ]]
