#!/bin/bash
# For tests that are the same on several kinds of swap area: `source kinds.sh`, then
#
#   on_kinds NAME DEFAULT-KINDS "$@"     of NAME.sh, which has a NAME.py; "$@" are series, 6.12 by default
#
# runs NAME.py DAEMON SWAPTRAIL KIND in a guest of each series, once with each kind of area (areas.sh). The variable
# SWAPTRAIL_KINDS chooses others. Exit code 75: it can't be run here.
on_kinds() {
    local here name=$1 kinds=${SWAPTRAIL_KINDS-$2} build one kind code=0
    here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
    shift 2
    if [[ ${1-} == --guest ]]; then # DAEMON SWAPTRAIL KIND
        # shellcheck source=tests/vm/areas.sh
        source "$here/areas.sh"
        trap area_down EXIT
        area_up "$4" || return
        python3 "$here/$name.py" "$2" "$3" "$4"
        return
    fi
    build=${SWAPTRAIL_BUILD:-$here/../../build/release}
    [[ $# -gt 0 ]] || set -- 6.12
    for one in "$@"; do
        for kind in $kinds; do
            echo "Linux $one, $kind:"
            "$here/guest.sh" "$one" -- "$here/$name.sh" --guest \
                "$build/daemon/swaptraild" "$build/cli/swaptrail" "$kind" || code=$?
        done
    done
    return "$code"
}
