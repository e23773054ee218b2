#!/bin/bash
# Mode tracepoint with a swap area on a disk behind device mapper, in a guest: each layer has a bio of its own for
# the same pages. Pages written, against /proc/vmstat; and who reclaimed them.
#
#   stacked.sh [SERIES]      6.12 by default
#
# Exit code 75: it can't be run here.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
build=${SWAPTRAIL_BUILD:-$here/../../build/release}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cp "$here/stacked.py" "$work/"
"$here/guest.sh" "${1:-6.12}" --share "$work" -- "$here/areas.sh" late python3 /share/stacked.py \
    "$(readlink -f "$build/daemon/swaptraild")"
