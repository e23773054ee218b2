#!/bin/bash
# `swaptrail holders` in guests: who holds swap, and whose pages were there before swaptraild began, against page tables,
# memory.swap.current and /proc/swaps. Exactly.
#
#   holders.sh [SERIES]...      6.12 by default
#
# Exit code 75: it can't be run here.
set -euo pipefail
# shellcheck source=tests/vm/kinds.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/kinds.sh"
on_kinds 'holders inventory' 'zram nvme zswap' "$@"
