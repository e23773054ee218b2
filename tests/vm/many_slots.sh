#!/bin/bash
# How long swaptraild takes to find whose pages were in swap before it began, in a guest with many: 16 GiB of them take about half an hour.
#
#   many_slots.sh [SERIES [GIB]]      6.12 and 16 by default
#
# Exit code 75: it can't be run here.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
if [[ ${1-} == --guest ]]; then # DAEMON SWAPTRAIL GIB
    # shellcheck source=tests/vm/areas.sh
    source "$here/areas.sh"
    trap area_down EXIT
    area_up nvme
    python3 "$here/many_slots.py" "$2" "$3" "$4"
    exit
fi
build=${SWAPTRAIL_BUILD:-$here/../../build/release}
gib=${2-16}
exec "$here/guest.sh" "${1-6.12}" --memory 3072 --disk-swap $((gib * 1024 + 512)) --timeout 7200 -- "$here/many_slots.sh" --guest \
    "$build/daemon/swaptraild" "$build/cli/swaptrail" "$gib"
