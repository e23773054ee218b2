#!/bin/bash
# Swap areas that leave holes and change places, in a guest: compares the device reported for each
# page with pagemap and /proc/swaps.
#
#   area_names.sh [SERIES [MODE]]      6.12 and the mode that swaptraild chooses, by default
#
# Exit code 75: it can't run here.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
build=${SWAPTRAIL_BUILD:-$here/../../build/release}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cp "$here/area_names.py" "$work/"
"$here/guest.sh" "${1:-6.12}" --share "$work" --timeout 560 -- python3 /share/area_names.py \
    "$(readlink -f "$build/daemon/swaptraild")" "$(readlink -f "$build/cli/swaptrail")" "${2:-auto}"
