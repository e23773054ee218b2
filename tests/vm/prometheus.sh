#!/bin/bash
# Dashboards and rules against the real thing: in a guest, swaptraild is scraped by Debian's Prometheus
# while a workload swaps; then every expression is asked, and the counters are compared with /proc/vmstat.
#
#   prometheus.sh [options]
#
#   --kernel SERIES   6.12 by default
#   --build DIR       a build folder, build/release by default
#   --keep DIR        keeps what the guest wrote: logs, the metrics, /proc/vmstat before and after
#
# Exit codes: 0, 1 a panel is empty or a counter is wrong, 75 skipped with a reason, 2 misuse.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
root=$(dirname "$(dirname "$here")")

usage() { sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2; }
skip() { echo "prometheus.sh: $*" >&2; exit 75; }

# ---- in the guest: prometheus.sh guest DAEMON, with zram on -----------------------------------------

# shellcheck source=tests/vm/settle.sh
source "$here/settle.sh"

answers() { curl -sf -o /dev/null --max-time 5 "$1"; }

wait_for() { # URL PID
    local i
    for ((i = 0; i < 240; i++)); do
        answers "$1" && return
        kill -0 "$2" 2>/dev/null || break
        sleep 0.5
    done
    echo "nothing answers at $1" >&2
    return 1
}

guest() { # DAEMON
    local cgroup=/sys/fs/cgroup/swaptrail-test daemon prometheus i code=0
    # First what stands instead of all else: panels of --detail=counters.
    "$1" --print=none --detail=counters >/share/daemon.log 2>&1 &
    daemon=$!
    wait_for http://127.0.0.1:9789/metrics $daemon || { cat /share/daemon.log; return 1; }
    mkdir /tmp/prometheus
    cp "$root"/deploy/prometheus/*.yml /tmp/prometheus/
    sed -i 's/_interval: 15s/_interval: 5s/' /tmp/prometheus/prometheus.yml
    prometheus --config.file=/tmp/prometheus/prometheus.yml --storage.tsdb.path=/tmp/prometheus/store \
        --web.listen-address=127.0.0.1:9090 --log.level=warn >/share/prometheus.log 2>&1 &
    prometheus=$!
    wait_for http://127.0.0.1:9090/-/ready $prometheus || { cat /share/prometheus.log; return 1; }
    sleep 15
    mkdir $cgroup
    /share/workload anon --mib 32 --limit 16 --rounds 2 --cgroup $cgroup </dev/null || code=1
    sleep 15
    kill $daemon
    wait $daemon || { echo "swaptraild ended with code $?"; code=1; }
    settle

    cat /proc/sys/vm/stat_refresh
    cat /proc/vmstat >/share/vmstat.before
    # With all that a panel can show: programs timed, some folios validated, a flight recorder.
    "$1" --print=none --bpf-statistics --validate=4 --flight=/tmp/flight >>/share/daemon.log 2>&1 &
    daemon=$!
    wait_for http://127.0.0.1:9789/metrics $daemon || { cat /share/daemon.log; return 1; }
    # A counter has to be seen before it rises, and again while it does.
    sleep 15
    for ((i = 0; i < 3; i++)); do
        /share/workload anon --mib 32 --limit 16 --rounds 2 --cgroup $cgroup </dev/null || code=1
        sleep 5
    done
    # Under the limit of the cgroup above, so that the matrix is not only a diagonal.
    mkdir $cgroup-above
    echo +memory >$cgroup-above/cgroup.subtree_control
    echo 16M >$cgroup-above/memory.max
    mkdir $cgroup-above/below
    /share/workload anon --mib 32 --rounds 2 --cgroup $cgroup-above/below </dev/null || code=1
    sleep 5
    /share/workload anon --mib 32 --rounds 2 --cgroup $cgroup-above/below </dev/null || code=1
    rmdir $cgroup-above/below $cgroup-above $cgroup
    settle
    sleep 20
    cat /proc/vmstat >/share/vmstat.after
    curl -s http://127.0.0.1:9789/metrics >/share/metrics
    python3 "$root/tests/dashboards/evaluate.py" --minutes 8 \
        --vmstat /share/vmstat.before /share/vmstat.after || code=1
    kill $prometheus $daemon
    wait $daemon || { echo "swaptraild ended with code $?"; code=1; }
    wait $prometheus || true
    [[ $code == 0 ]] || tail -n 20 /share/daemon.log /share/prometheus.log
    return $code
}

if [[ ${1-} == guest ]]; then
    guest "$2"
    exit
fi

# ---- on the host ------------------------------------------------------------------------------------

kernel=6.12 build=${SWAPTRAIL_BUILD:-$root/build/release} keep=''
while [[ $# -gt 0 ]]; do
    [[ $# -ge 2 ]] || usage
    case $1 in
        --kernel) kernel=$2 ;;
        --build) build=$(readlink -e "$2") || skip "no folder $2" ;;
        --keep) keep=$2 ;;
        *) usage ;;
    esac
    shift 2
done
for tool in prometheus curl g++ python3; do
    command -v "$tool" >/dev/null || skip "$tool is missing"
done
[[ -x $build/daemon/swaptraild ]] || skip "$build has no swaptraild"

share=$(mktemp -d "${TMPDIR:-/var/tmp}/prometheus-XXXXXX")
trap 'rm -rf "$share"' EXIT
g++ -std=c++20 -O2 -o "$share/workload" "$here/workload.cpp"
cp "$build/daemon/swaptraild" "$share/"

code=0
"$here/guest.sh" "$kernel" --share "$share" --memory 1536 --timeout 900 -- \
    "$here/areas.sh" zram "$here/prometheus.sh" guest /share/swaptraild || code=$?
if [[ $keep ]]; then
    mkdir -p "$keep"
    cp "$share"/* "$keep/"
fi
exit $code
