#!/bin/bash
# For tests that are the same on several kinds of swap area: `source kinds.sh`, then
#
#   on_kinds "NAME..." DEFAULT-KINDS "$@"     of the first NAME.sh; "$@" are series, 6.12 by default
#
# runs NAME.py DAEMON SWAPTRAIL KIND, one NAME after the other, with each kind of area (areas.sh), in a guest of each series. The
# variable SWAPTRAIL_KINDS chooses others. Exit code 1: something failed. 75: a series or a kind can't be had here.

# The code of both: a failure before what can't be had, and that before success.
both_codes() { # CODE CODE
    case "$1 $2" in
        '0 0') echo 0 ;;
        '0 75' | '75 0' | '75 75') echo 75 ;;
        *) echo 1 ;;
    esac
}

on_kinds() {
    local here names=$1 kinds=${SWAPTRAIL_KINDS-$2} build one kind name code=0 last
    here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
    shift 2
    if [[ ${1-} == --guest ]]; then # DAEMON SWAPTRAIL KIND...
        # shellcheck source=tests/vm/areas.sh
        source "$here/areas.sh"
        trap area_down EXIT
        for kind in "${@:4}"; do
            echo "on $kind:"
            last=0
            area_up "$kind" || { code=$(both_codes "$code" $?) && continue; }
            for name in $names; do
                python3 "$here/$name.py" "$2" "$3" "$kind" || last=1
            done
            area_down || last=1
            code=$(both_codes "$code" "$last")
        done
        return "$code"
    fi
    build=${SWAPTRAIL_BUILD:-$here/../../build/release}
    [[ $# -gt 0 ]] || set -- 6.12
    for one in "$@"; do
        echo "Linux $one:"
        last=0
        # shellcheck disable=SC2086  # of several words
        "$here/guest.sh" "$one" --timeout 2400 -- "$here/${names%% *}.sh" --guest "$build/daemon/swaptraild" "$build/cli/swaptrail" $kinds || last=$?
        code=$(both_codes "$code" "$last")
    done
    return "$code"
}
