#!/bin/bash
# A sample of the pages, in a guest: totals and estimates against /proc/vmstat, and a limit of CPU time.
#
#   sample.sh [SERIES]      6.12 by default
#
# Exit code 75: it can't run here.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
build=$(readlink -f "${SWAPTRAIL_BUILD:-$here/../../build/release}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cp "$here/sample.py" "$here/areas.sh" "$work/"
"$here/guest.sh" "${1:-6.12}" --share "$work" --timeout 500 -- python3 /share/sample.py \
    "$build/daemon/swaptraild" "$build/cli/swaptrail"
