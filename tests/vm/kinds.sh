#!/bin/bash
# For tests that are the same on several kinds of swap area: `source kinds.sh`, then
#
#   on_kinds "NAME..." DEFAULT-KINDS "$@"     of the first NAME.sh; "$@" are series, 6.12 by default
#
# runs NAME.py DAEMON SWAPTRAIL KIND, one NAME after the other, in a guest of each series, with each kind of area (areas.sh). The variable
# SWAPTRAIL_KINDS chooses others. Exit code 75: it can't be run here.
on_kinds() {
    local here names=$1 kinds=${SWAPTRAIL_KINDS-$2} build one kind name code=0
    here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
    shift 2
    if [[ ${1-} == --guest ]]; then # DAEMON SWAPTRAIL KIND
        # shellcheck source=tests/vm/areas.sh
        source "$here/areas.sh"
        trap area_down EXIT
        area_up "$4" || return
        for name in $names; do
            python3 "$here/$name.py" "$2" "$3" "$4" || code=$?
        done
        return "$code"
    fi
    build=${SWAPTRAIL_BUILD:-$here/../../build/release}
    [[ $# -gt 0 ]] || set -- 6.12
    for one in "$@"; do
        for kind in $kinds; do
            echo "Linux $one, $kind:"
            "$here/guest.sh" "$one" -- "$here/${names%% *}.sh" --guest \
                "$build/daemon/swaptraild" "$build/cli/swaptrail" "$kind" || code=$?
        done
    done
    return "$code"
}
