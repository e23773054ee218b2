#!/bin/bash
# Inside a guest: `source back.sh` gives the scenarios about the way back; README.md says what each
# is for. Each is a function back_NAME, which lets actors act while swaptraild watches; before_NAME,
# if there is one, runs before swaptraild starts. Truth goes to files for check.py:
#
#   oracle.PHASE-NAME   an actor's pages in swap, its faults and waits (actors.sh)
#   marks               how much swaptraild had printed at the end of each phase
#   truth               `KEY VALUE` lines, of whatever a scenario knows besides
#
# Needs actors.sh, areas.sh, settle.sh and cases.sh.
# shellcheck disable=SC2154,SC2034  # of and for cases.sh

truth() { echo "$*" >>"$dir/truth"; }
readahead() { echo "$1" >/proc/sys/vm/page-cluster; } # 2^N pages; cases.sh puts it back
used_pages() { awk 'NR > 1 { sum += $4 } END { print sum / 4 + 0 }' /proc/swaps; }
# The CLI's answer, in DIR/NAME.json. 1.2 s after the last event: swaptraild publishes each second.
cli() { # NAME COMMAND...
    sleep 1.2
    "$swaptrail" "${@:2}" -o json >"$dir/$1.json" 2>>"$dir/cli.err"
}

# ---- waits: the device takes 5 ms for each read ---------------------------------------------------------

waits() { # PAGE-CLUSTER THREADS
    readahead "$1"
    truth delayed 1
    actor_start a && say a make m 1 && reclaim a && phase 1 || return
    say a touch m threads="$2" && phase 2
}
back_wait() { waits 0 1; }
back_waitahead() { waits 3 1; }
back_waitthreads() { waits 0 4; }
back_waitcrowd() { waits 3 4; }

# ---- readahead, MADV_WILLNEED, and what is dropped unused -------------------------------------------------

back_ahead() {
    readahead 3
    actor_start a && say a make m 8 && reclaim a && phase 1 || return
    say a touch m count=1024 stride=16 && say a willneed m from=1024 && settle && reclaim a || return
    say a touch m && phase 2
}

# ---- zswap with a pool of 1 % ---------------------------------------------------------------------------

before_pool() {
    local parameters=/sys/module/zswap/parameters
    zswap_pool=$(<$parameters/max_pool_percent)
    echo 1 >$parameters/max_pool_percent
    [[ ! -e $parameters/shrinker_enabled ]] || echo Y >$parameters/shrinker_enabled
}
back_pool() {
    readahead 0
    actor_start a && say a make m 46 && say a make r 8 random && reclaim a && phase 1 || return
    say a touch m && say a touch r && phase 2
}
after_pool() {
    local parameters=/sys/module/zswap/parameters
    echo "$zswap_pool" >$parameters/max_pool_percent
    [[ ! -e $parameters/shrinker_enabled ]] || echo N >$parameters/shrinker_enabled
}

# ---- large folios -----------------------------------------------------------------------------------------

huge_sizes=/sys/kernel/mm/transparent_hugepage
before_mthp() {
    local size
    [[ -e $huge_sizes/hugepages-64kB/enabled ]] || { echo "no folios of 64 kB before 6.8" >"$dir/skip"; return 1; }
    huge_enabled=()
    for size in "$huge_sizes"/hugepages-*/enabled; do
        huge_enabled+=("$size=$(sed 's/.*\[\(.*\)\].*/\1/' "$size")")
        echo never >"$size"
    done
    echo always >$huge_sizes/hugepages-64kB/enabled
}
back_mthp() {
    readahead 0
    actor_start a && say a make m 16 mthp && reclaim a && phase 1 || return
    say a touch m stride=16 && phase 2 && say a touch m && phase 3
}
after_mthp() {
    local size
    for size in "${huge_enabled[@]}"; do echo "${size#*=}" >"${size%=*}"; done
}

back_thpfull() { # 8 MiB in huge pages, and an area of 3 MiB
    actor_start a && say a make m 8 thp && reclaim a && phase 1 || return
    say a touch m && phase 2
}

# ---- swapoff --------------------------------------------------------------------------------------------

swapoff_beside() { # touches each eighth page meanwhile; sets $code
    local pid
    swapoff "$area_device" 2>>"$dir/swapoff.err" &
    pid=$!
    sleep 0.2
    say a touch m from=3 stride=8 || return
    [[ ! ${1-} ]] || kill -TERM "$pid" # not SIGINT: what a shell starts in the background ignores it
    wait "$pid"
    code=$?
}
back_offtouch() {
    readahead 0
    truth delayed 1
    actor_start a && say a make m 2 && reclaim a && phase 1 && swapoff_beside || return
    truth swapoff_code "$code"
    phase 2
}
back_offbreak() {
    readahead 0
    truth delayed 1
    actor_start a && say a make m 4 && reclaim a && phase 1 && swapoff_beside break || return
    truth swapoff_code "$code"
    phase 2 && say a touch m && phase 3
}

# ---- areas that come, go and change places ----------------------------------------------------------------

add_zram() { # MIB PRIORITY: sets $zram
    local n
    area_modules zram
    n=$(cat /sys/class/zram-control/hot_add) && zram=/dev/zram$n || return
    extra_zram+=("$n")
    echo "$1M" >"/sys/block/zram$n/disksize" && mkswap -f "$zram" &>/dev/null && swapon -p "$2" "$zram"
}
before_areas() { # type 0 goes, types 1 (zram) and 2 (the disk) stay
    extra_zram=()
    swapoff "$area_device" && add_zram 16 20 && first=$zram && add_zram 64 10 && second=$zram &&
        swapon -p 1 "$area_device" && swapoff "$first"
}
back_areas() {
    truth area_1 "$second"
    actor_start a && say a make m 4 && reclaim a && phase 1 && cli areas areas && cli stats stats --by=device || return
    truth used_pages "$(used_pages)"
    say a touch m && phase 2 || return
    swapon -p 30 "$first" && truth area_0 "$first" || return # type 0 again
    say a rewrite m && reclaim a && phase 3 && cli areas2 areas && cli stats2 stats --by=device
}
after_areas() {
    local n
    for n in "${extra_zram[@]}"; do
        ! grep -q "^/dev/zram$n " /proc/swaps || swapoff "/dev/zram$n"
        echo "$n" >/sys/class/zram-control/hot_remove
    done
}

# ---- no room ----------------------------------------------------------------------------------------------

back_swapmax() { # 4 MiB may be swapped, of 8
    actor_start a && echo 4M >"$actor_cgroups/a/memory.swap.max" && say a make m 8 && reclaim a && phase 1 || return
    truth swap_fail "$(awk '$1 == "fail" { print $2 }' "$actor_cgroups/a/memory.swap.events")"
    say a touch m && phase 2
}
back_areafull() { # an area of 4 MiB
    actor_start a && say a make m 8 && reclaim a && phase 1 && say a touch m && phase 2
}

# ---- a file in a tmpfs -------------------------------------------------------------------------------------

file_phase() { # PHASE REQUEST: the file is out; the reader brings it back by this request
    reclaim w && phase "$1.1" r && say r "$2" /run/case-tmpfs/file && phase "$1.2" r
}
back_tmpfs() {
    readahead 0
    truth delayed 1
    mkdir -p /run/case-tmpfs && mount -t tmpfs -o size=64M tmpfs /run/case-tmpfs || return
    actor_start w && actor_start r && say w fillfile /run/case-tmpfs/file 1 || return
    file_phase 1 readfile && file_phase 2 mapfile && file_phase 3 patchfile && reclaim w || return
    rm /run/case-tmpfs/file
}
after_tmpfs() { umount /run/case-tmpfs; rmdir /run/case-tmpfs; }

# ---- who reads, and whose it is -----------------------------------------------------------------------------

back_hands() {
    local address pid
    readahead 0
    truth delayed 1
    actor_start o unlocked "$(printf 'long-%.0s' {1..3000})" && say o make m 1 && say o address m || return
    address=$answer pid=${actor_pid[o]}
    actor_start r && reclaim o && phase 1 r o || return
    reclaim o # once more: writing an oracle touches memory
    say r readv "$pid" "$address" 100 && say r mem "$pid" $((address + 100 * 4096)) 100 &&
        say r readfile "/proc/$pid/cmdline" && phase 2 r || return
    truth foreign_pages 200
    truth owner_pid "$pid"
    say o touch m && phase 3
}

back_sharers() { # three processes with the same pages, by fork
    readahead 0
    actor_start a && say a make m 2 && actor_fork a b && actor_fork a c && reclaim a && phase 1 || return
    say a touch m && say b touch m && say c touch m && phase 2
}

back_ksm() { # two processes with equal pages, merged
    local ksm=/sys/kernel/mm/ksm tries
    readahead 0
    actor_start a && actor_start b && say a make m 2 mergeable && say b make m 2 mergeable || return
    echo 2000 >$ksm/pages_to_scan && echo 1 >$ksm/run
    for ((tries = 0; tries < 50; tries++)); do [[ $(<$ksm/pages_sharing) -ge 512 ]] && break; sleep 0.2; done
    truth ksm_sharing "$(<$ksm/pages_sharing)"
    echo 0 >$ksm/run
    reclaim a && reclaim b && phase 1 && say a touch m && say b touch m && phase 2
}

# ---- failures -------------------------------------------------------------------------------------------

back_readerror() {
    readahead 0
    actor_start a && say a make m 1 && reclaim a && phase 1 && area_break || return
    say a touch m count=16 && phase 2 && area_mend || return
    truth read_errors 16
    say a touch m from=16 && phase 3
}

# ---- nothing happens any more --------------------------------------------------------------------------------

# One part of the pages in swap is read and one unmapped; pages in flight are unmapped too. Then
# everything is quiet for 2 s.
back_quiet() {
    readahead 0
    actor_start a && say a make m 4 && say a make n 4 && reclaim a && phase 1 || return
    say a touch m count=512 && say a make x 4 && say a pageout x && say a unmap x && say a unmap n && phase 2 || return
    sleep 2
    cli areas areas && cli flying list --outcome=in_flight --limit=10000 || return
    truth used_pages "$(used_pages)"
    truth swapcached_pages "$(awk '/^SwapCached/ { print $2 / 4 }' /proc/meminfo)"
    truth vmswap_pages "$(awk '/^VmSwap/ { print $2 / 4 }' "/proc/${actor_pid[a]}/status")"
    say a touch m && phase 3
}

# Unmapped while under writeback: the slots stay until reclaim finds the pages.
back_nobody() {
    local i
    actor_start a || return
    for i in 1 2 3 4; do say a make m 4 && say a pageout m && say a unmap m || return; done
    truth used_pages_unmapped "$(used_pages)"
    reclaim a && phase 1
    truth used_pages "$(used_pages)"
    cli areas areas
}

# ---- two processes with one pid ----------------------------------------------------------------------------

back_pidreuse() {
    local pid address
    echo 0 >/proc/sys/kernel/randomize_va_space
    actor_start a && say a make m 1 && say a address m && address=$answer pid=${actor_pid[a]} || return
    reclaim a && phase 1 && actor_end a && sleep 1.5 || return
    actor_wants_pid=$pid
    actor_start b && say b make m 1 && say b address m || return
    truth same_pid "$([[ ${actor_pid[b]} == "$pid" && $answer == "$address" ]] && echo 1 || echo 0)"
    cli page page --pid "$pid" --addr "$address" || true # exit code 9: nothing is known of it
    phase 2
}
after_pidreuse() { actor_wants_pid=''; echo 2 >/proc/sys/kernel/randomize_va_space; }

# ---- swaptraild comes late, or loses something -----------------------------------------------------------------

before_attach() { # the workload runs before swaptraild does, and goes on
    actor_start a && say a make m 4 || return
    rm -f /run/case-stop
    ask a churn m 120000 /run/case-stop
    sleep 0.5
}
back_attach() {
    sleep 1.5
    touch /run/case-stop
    hear a && phase 1
}

# swaptraild sleeps while the second CPU fills its ring; then only the first one swaps.
back_onecpu() {
    actor_start a && actor_start b && say a pin 1 && say b pin 0 && say a make m 4 && say b make m 1 || return
    settle
    kill -STOP "$daemon_pid"
    say a churn m 2000
    kill -CONT "$daemon_pid"
    ask b churn m 3000
    sleep 1.5
    truth loss_known "$(grep -c '"type":"loss"' /tmp/daemon.jsonl)"
    hear b && phase 1
}

# More reclaimers than CPUs.
back_crowd() {
    local name
    for name in a b c d; do actor_start $name && say $name make m 4 || return; done
    for name in a b c d; do ask $name churn m 2000; done
    for name in a b c d; do hear $name || return; done
    phase 1
}
