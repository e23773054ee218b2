#!/bin/bash
# `swaptrail holders` in guests: who holds swap, against page tables, memory.swap.current and /proc/swaps. Exactly.
#
#   holders.sh [SERIES]...      6.12 by default
#
# Exit code 75: it can't be run here.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
if [[ ${1-} == --guest ]]; then # DAEMON SWAPTRAIL KIND
    # shellcheck source=tests/vm/areas.sh
    source "$here/areas.sh"
    trap area_down EXIT
    area_up "$4"
    python3 "$here/holders.py" "$2" "$3"
    exit
fi
build=${SWAPTRAIL_BUILD:-$here/../../build/release}
series=("$@")
[[ ${#series[@]} -gt 0 ]] || series=(6.12)
code=0
for one in "${series[@]}"; do
    for kind in ${SWAPTRAIL_HOLDERS_KINDS-zram nvme zswap}; do
        echo "Linux $one, $kind:"
        "$here/guest.sh" "$one" -- "$here/holders.sh" --guest \
            "$build/daemon/swaptraild" "$build/cli/swaptrail" "$kind" || code=$?
    done
done
exit "$code"
