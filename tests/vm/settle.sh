#!/bin/bash
# Inside a guest: `source settle.sh` gives settle, which waits until all is quiet.

# Until nothing is written any more; then folds the kernel's per-CPU counters.
settle() {
    local last='' now i
    for ((i = 0; i < 100; i++)); do
        now=$(grep -E '^(pswpout|pswpin|nr_writeback) ' /proc/vmstat)
        [[ $now == "$last" ]] && break
        last=$now
        sleep 0.3
    done
    cat /proc/sys/vm/stat_refresh
}
