#!/bin/bash
# Inside a guest: `source actors.sh` gives the processes of back.sh. Each is an actor (actor.cpp) in a
# cgroup of its own, and does what it is asked, one line at a time.
#
# Needs $actor (the program), $dir (of the case) and wait_until. A step that fails says so in
# $dir/actors.err, and returns 1.
# shellcheck disable=SC2154  # of cases.sh

declare -A actor_pid=() actor_in=() actor_out=() actor_group=()
readonly actor_cgroups=/sys/fs/cgroup/swaptrail-actors
answer=''

actor_failed() { echo "$*" >>"$dir/actors.err"; return 1; }

# The pipes of one more actor. Both ends are opened by this shell too, so that nothing blocks.
actor_pipes() { # NAME
    local in out
    rm -f "/tmp/$1".{in,out}
    mkfifo "/tmp/$1.in" "/tmp/$1.out"
    exec {in}<>"/tmp/$1.in" {out}<>"/tmp/$1.out"
    actor_in[$1]=$in actor_out[$1]=$out
}

# shellcheck disable=SC2317  # runs in the background
actor_run() { # NAME CGROUP ARGS: in place of a subshell
    echo "$BASHPID" >"$actor_cgroups/$2/cgroup.procs"
    exec "$actor" "${@:3}" <"/tmp/$1.in" >"/tmp/$1.out" 2>>"$dir/actors.err"
}

actor_start() { # NAME [ARGS FOR THE PROGRAM]: in a cgroup of that name; as $actor_wants_pid, if set
    actor_group[$1]=$1
    mkdir -p "$actor_cgroups"
    echo +memory >"$actor_cgroups/cgroup.subtree_control" && mkdir -p "$actor_cgroups/$1" || return
    actor_pipes "$1"
    [[ ! ${actor_wants_pid-} ]] || echo $((actor_wants_pid - 1)) >/proc/sys/kernel/ns_last_pid
    actor_run "$1" "$1" "${@:2}" &
    actor_pid[$1]=$!
    say "$1" pid # it is there
}

# A child of an actor, with its memory.
actor_fork() { # PARENT NAME
    actor_pipes "$2"
    say "$1" fork "/tmp/$2.in" "/tmp/$2.out" || return
    actor_pid[$2]=$answer actor_group[$2]=''
    hear "$2"
}

hear() { # NAME: its next answer, in $answer
    local line=''
    read -rt 100 -u "${actor_out[$1]}" line || { actor_failed "$1 does not answer"; return; }
    [[ $line == ok* ]] || { actor_failed "$1: $line"; return; }
    answer=${line#ok }
}
ask() { echo "${@:2}" >&"${actor_in[$1]}"; } # NAME REQUEST: goes on at once
say() { ask "$@" && hear "$1"; }             # NAME REQUEST: waits for the answer

actor_end() { # NAME
    local in=${actor_in[$1]} out=${actor_out[$1]} tries
    echo end >&"$in"
    for ((tries = 0; tries < 100; tries++)); do [[ -e /proc/${actor_pid[$1]}/exe ]] || break; sleep 0.1; done
    kill -KILL "${actor_pid[$1]}" 2>/dev/null
    wait "${actor_pid[$1]}" 2>/dev/null # not if it is a child of another actor
    exec {in}>&- {out}>&-
    [[ -z ${actor_group[$1]} ]] || rmdir "$actor_cgroups/$1"
    unset "actor_pid[$1]" "actor_in[$1]" "actor_out[$1]" "actor_group[$1]"
}

actors_end() { # children first
    local name
    for name in "${!actor_pid[@]}"; do [[ ${actor_group[$name]} ]] || actor_end "$name"; done
    for name in "${!actor_pid[@]}"; do actor_end "$name"; done
}

# Has a whole cgroup reclaimed. Asks for more than there is, so that the kernel reports that it could
# not get that much; an asynchronous device needs a second pass.
reclaim() { # NAME
    local tries file=$actor_cgroups/$1/memory.reclaim
    [[ -e $file ]] || { echo "this kernel has no memory.reclaim" >"$dir/skip"; return 1; }
    for ((tries = 0; tries < 3; tries++)); do
        echo 256M 2>/dev/null >"$file"
        settle
    done
    return 0
}

# Writes the current truth: of each actor (or those named), to oracle.PHASE-NAME. Ends a phase. Done twice,
# so that everything needed for writing is in memory, and nothing faults after the measurement.
phase() { # PHASE [NAME...]
    local name number=$1
    shift
    [[ $# -gt 0 ]] || set -- "${!actor_pid[@]}"
    for name in "$@"; do say "$name" oracle /dev/null || return; done
    # In memory first: taskstats counts waits for files of the host too.
    for name in "$@"; do
        say "$name" oracle /run/oracle && cp /run/oracle "$dir/oracle.$number-$name" || return
    done
    mark "$number"
}
