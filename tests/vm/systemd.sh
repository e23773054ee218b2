#!/bin/bash
# swaptraild as it is installed: boots a real systemd in a guest, installs there what `cmake --install`
# puts into a folder, and has service_checks.py judge the service from outside.
#
#   systemd.sh [options] [-- ARGS for service_checks.py]
#
#   --kernel SERIES   6.12 by default
#   --build DIR       a build folder, build/release by default
#   --keep DIR        keeps what the guest wrote: the journal, the metrics
#
# Ends with `N passed, N failed, N skipped`. Exit codes: 0, 1, 75 skipped with a reason, 2 misuse.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
root=$(dirname "$(dirname "$here")")

usage() { sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2; }
skip() { echo "systemd.sh: $*" >&2; exit 75; }

kernel=6.12 build=${SWAPTRAIL_BUILD:-$root/build/release} keep=''
while [[ $# -gt 0 && $1 != -- ]]; do
    [[ $# -ge 2 ]] || usage
    case $1 in
        --kernel) kernel=$2 ;;
        --build) build=$(readlink -e "$2") || skip "no folder $2" ;;
        --keep) keep=$2 ;;
        *) usage ;;
    esac
    shift 2
done
[[ $# == 0 ]] || shift

for tool in /lib/systemd/systemd cmake g++ bpftool setpriv; do
    command -v "$tool" >/dev/null || skip "$tool is missing"
done
[[ -f $build/CMakeCache.txt ]] || skip "$build is no build folder"

share=$(mktemp -d "${TMPDIR:-/var/tmp}/systemd-XXXXXX")
trap 'rm -rf "$share"' EXIT
DESTDIR=$share/stage cmake --install "$build" >"$share/install.log" ||
    { cat "$share/install.log" >&2; exit 1; }
g++ -std=c++20 -O2 -o "$share/workload" "$here/workload.cpp"

code=0
"$here/guest.sh" "$kernel" --systemd --share "$share" --timeout 900 -- \
    "$here/areas.sh" zram python3 "$here/service_checks.py" "$@" || code=$?
if [[ $keep ]]; then
    mkdir -p "$keep"
    rm -rf "$share/stage"
    cp -r "$share/." "$keep/"
fi
exit $code
