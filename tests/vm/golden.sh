#!/usr/bin/env bash
# Makes the golden recordings of tests/data/recordings from guests: small runs of real kernels.
#
#   golden.sh ["5.10 6.1 ..."]
#
# For each case: the recording, and what `swaptraild --print=jsonl` printed live (its summary, and the
# SHA-256 of all its lines). Replay must print the same; tests/golden checks that.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
root=$(readlink -f "$here/../..")
target=$root/tests/data/recordings
kernels=${1:-5.10 6.1 6.12 6.18 7.3}
cases='zram-pageout nvme-clean zswap-pageout nvme-thp nvme-shmem'

out=$(mktemp -d /var/tmp/golden-XXXXXX)
trap 'rm -rf "$out"' EXIT
SWAPTRAIL_CASES_RECORD=1 SWAPTRAIL_CASES_SMALL=1 \
    "$here/matrix.sh" --kernels "$kernels" --cases "$cases" --out "$out" || true

mkdir -p "$target"
for series in $kernels; do
    for case in $cases; do
        dir=$out/$series/$case
        recording=$(compgen -G "$dir/recording/*.swaptrail") || { echo "no $series $case"; continue; }
        live=$dir/daemon.jsonl
        if ! "$root/build/release/cli/swaptrail" replay --print=jsonl "$recording" | cmp - "$live"; then
            echo "golden.sh: $series $case: replay prints something other than live did" >&2
            exit 1
        fi
        cp "$recording" "$target/$series-$case.swaptrail"
        chmod 644 "$target/$series-$case.swaptrail"
        { sha256sum <"$live" | cut -d' ' -f1; tail -n1 "$live"; } >"$target/$series-$case.expected"
        echo "$series $case: $(wc -c <"$recording") bytes, $(wc -l <"$live") lines"
    done
done
