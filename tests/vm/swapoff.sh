#!/bin/bash
# `swaptrail swapoff-plan` in guests: before, beside and after a real swapoff of an area whose reads take 5 ms more each.
#
#   swapoff.sh [SERIES]...      6.12 by default
#
# Exit code 75: it can't be run here.
set -euo pipefail
# shellcheck source=tests/vm/kinds.sh
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/kinds.sh"
on_kinds swapoff slow "$@"
