#!/bin/bash
# A page in each state of its life, in a guest: what `swaptrail page` says, against pagemap.
#
#   page_states.sh [SERIES]      6.12 by default
#
# Exit code 75: it can't be run here.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
build=${SWAPTRAIL_BUILD:-$here/../../build/release}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

clang -g -O2 -target bpf -mcpu=v2 -Wall -Werror -I"/usr/include/$(uname -m)-linux-gnu" \
    -c "$here/stall.bpf.c" -o "$work/stall.bpf.o"
cp "$here/page_states.py" "$work/"
"$here/guest.sh" "${1:-6.12}" --share "$work" -- python3 /share/page_states.py \
    "$build/daemon/swaptraild" "$build/cli/swaptrail" /share/stall.bpf.o
