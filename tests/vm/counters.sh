#!/bin/bash
# `swaptraild --detail=counters` in guests, on a synchronous device, an asynchronous one and zswap: what it counts, against
# /proc/vmstat and what the workload knows of its own pages. Exactly.
#
#   counters.sh [SERIES]...      6.12 by default
#
# Exit code 75: it can't be run here.
set -euo pipefail
# shellcheck source=tests/vm/kinds.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/kinds.sh"
on_kinds counters 'zram nvme zswap' "$@"
