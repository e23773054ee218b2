#!/bin/bash
# In guests: whose pages were in swap before swaptraild began, against page tables, memory.swap.current and /proc/swaps.
#
#   inventory.sh [SERIES]...      6.12 by default
#
# Exit code 75: it can't be run here.
set -euo pipefail
# shellcheck source=tests/vm/kinds.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/kinds.sh"
on_kinds inventory 'zram nvme' "$@"
