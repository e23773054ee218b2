#!/bin/bash
# `swaptraild --detail=counters` in guests, on a synchronous device, an asynchronous one and zswap: what it counts, against
# /proc/vmstat and what the workload knows of its own pages. Exactly.
#
#   counters.sh [SERIES]...      6.12 by default
#
# Exit code 75: it can't be run here.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
if [[ ${1-} == --guest ]]; then # DAEMON SWAPTRAIL KIND
    # shellcheck source=tests/vm/areas.sh
    source "$here/areas.sh"
    trap area_down EXIT
    area_up "$4"
    python3 "$here/counters.py" "$2" "$3" "$4"
    exit
fi
build=${SWAPTRAIL_BUILD:-$here/../../build/release}
series=("$@")
[[ ${#series[@]} -gt 0 ]] || series=(6.12)
code=0
for one in "${series[@]}"; do
    for kind in ${SWAPTRAIL_COUNTERS_KINDS-zram nvme zswap}; do
        echo "Linux $one, $kind:"
        "$here/guest.sh" "$one" -- "$here/counters.sh" --guest \
            "$build/daemon/swaptraild" "$build/cli/swaptrail" "$kind" || code=$?
    done
done
exit "$code"
