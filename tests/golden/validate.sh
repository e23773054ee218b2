#!/usr/bin/env bash
# validate.sh SWAPTRAIL RECORDING...: checks that the engine's model allows what a real kernel did.
#
# Not one finding, every complete lifecycle agrees with the model, and none is left out without a
# reason. Prints a line for each recording: how much was predicted, and how much taken as given.
set -euo pipefail
swaptrail=$1
shift
output=$(mktemp)
trap 'rm -f "$output"' EXIT

number() { # KEY: of the summary
    grep -oE "\"$1\":[0-9]+" "$output" | head -n1 | cut -d: -f2
}

code=0
for recording in "$@"; do
    name=$(basename "$recording" .swaptrail)
    if ! "$swaptrail" validate --print=jsonl "$recording" >"$output"; then
        echo "$name: findings" >&2
        head -n 5 "$output" >&2
        code=1
        continue
    fi
    agreed=$(number agreed) lifecycles=$(number lifecycles) left_out=$(number not_compared)
    # Those that trace/ itself calls incomplete can't be compared: shmem up to Linux 6.14, of which no hook
    # shows whether it was refused a slot or held by somebody else.
    hidden=$(number not_hooked || true)
    if [[ $((agreed + ${hidden:-0})) != "$lifecycles" || $agreed == 0 || $left_out != "${hidden:-0}" ]]; then
        echo "$name: $agreed of $lifecycles lifecycles agree, $left_out not compared" >&2
        code=1
    fi
    echo "$name: $(number events) events, $(number predictions) foretold; $agreed of $lifecycles lifecycles agree;" \
        "$(number exact) of $(number allocations) slots foretold"
done
exit "$code"
