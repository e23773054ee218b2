#!/usr/bin/env bash
# check.sh SWAPTRAIL RECORDING EXPECTED: replay must print, byte for byte, what swaptraild printed live.
#
# EXPECTED: the SHA-256 of all lines of `swaptraild --print=jsonl`, and its last line, the summary.
# tests/vm/golden.sh makes both.
set -euo pipefail
swaptrail=$1 recording=$2 expected=$3
replayed=$(mktemp)
trap 'rm -f "$replayed"' EXIT

"$swaptrail" verify "$recording"
"$swaptrail" replay --print=jsonl "$recording" >"$replayed"
if ! diff <(tail -n1 "$expected") <(tail -n1 "$replayed"); then
    echo 'the summary differs' >&2
    exit 1
fi
if [[ $(head -n1 "$expected") != "$(sha256sum <"$replayed" | cut -d' ' -f1)" ]]; then
    echo 'the summary is the same, but not every line' >&2
    exit 1
fi
