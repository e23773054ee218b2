#!/bin/bash
# Sourced by scripts that run several guests.
#
#   at_once COMMAND ARG...    COMMAND ARG for each of them, SWAPTRAIL_GUESTS (2) at a time
#
# An emulated guest keeps one CPU busy. A COMMAND has to report its own result.

at_once() {
    local one most=${SWAPTRAIL_GUESTS:-2}
    # A background process does not get a Ctrl-C.
    trap 'trap - INT TERM; kill -TERM 0' INT TERM
    for one in "${@:2}"; do
        while [[ $(jobs -rp | wc -l) -ge $most ]]; do wait -n || true; done
        "$1" "$one" &
    done
    wait
    trap - INT TERM
}
