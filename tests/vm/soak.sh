#!/bin/bash
# swaptraild for long, at the full rate: in a guest, with cgroups that come and go, readers, scrapes and a recording.
#
#   soak.sh [SERIES [MINUTES]]      6.12 and 20 by default
#
# The load, the readers and the daemon compete for two CPUs. What has to hold is in soak.py.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
if [[ ${1-} == --guest ]]; then # DAEMON SWAPTRAIL MINUTES
    # shellcheck source=tests/vm/areas.sh
    source "$here/areas.sh"
    trap area_down EXIT
    area_up zram 600
    python3 "$here/soak.py" "$2" "$3" "$4"
    exit
fi
build=${SWAPTRAIL_BUILD:-$here/../../build/release}
minutes=${2-20}
seconds=$(awk -v "minutes=$minutes" 'BEGIN { print int(minutes * 60) }')
exec "$here/guest.sh" "${1-6.12}" --memory 2048 --timeout $((seconds + 300)) -- "$here/soak.sh" --guest \
    "$build/daemon/swaptraild" "$build/cli/swaptrail" "$minutes"
