#!/bin/bash
# `swaptrail readahead` in guests: what is read ahead, and what of it is used, beside what the kernel counts.
#
#   readahead.sh [SERIES]...      6.12 by default
#
# Exit code 75: it can't be run here.
set -euo pipefail
# shellcheck source=tests/vm/kinds.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/kinds.sh"
on_kinds readahead nvme "$@"
