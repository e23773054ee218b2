#!/bin/bash
# Tests the dashboards and rules with a real Prometheus that scrapes exporter.py, a fake daemon:
# does every panel show something? Takes about a minute. Needs no privilege.
#
# Exit codes: 0, 1 a panel is empty, 75 Prometheus (Debian's package) is missing.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
root=$(dirname "$(dirname "$here")")
command -v prometheus >/dev/null || { echo 'skipped: prometheus is missing'; exit 75; }

work=$(mktemp -d)
started=()
# shellcheck disable=SC2317  # called by the trap
finish() {
    [[ ${#started[@]} == 0 ]] || kill "${started[@]}" 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap finish EXIT

# Ports that are free now: better a test that fails than one that uses another program's port.
read -r exporter_port prometheus_port <<<"$(python3 -c '
import socket
sockets = [socket.socket() for _ in range(2)]
for each in sockets: each.bind(("127.0.0.1", 0))
print(*(each.getsockname()[1] for each in sockets))')"

# As it is installed, but quicker.
cp "$root"/deploy/prometheus/*.yml "$work/"
sed -i "s/127.0.0.1:9789/127.0.0.1:$exporter_port/; s/_interval: 15s/_interval: 2s/" "$work/prometheus.yml"

python3 "$here/exporter.py" "$exporter_port" &
started+=($!)
prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/store" \
    --web.listen-address="127.0.0.1:$prometheus_port" --log.level=warn >"$work/log" 2>&1 &
started+=($!)
sleep 40
code=0
python3 "$here/evaluate.py" --url "http://127.0.0.1:$prometheus_port" --minutes 1 "$@" || code=$?
[[ $code == 0 ]] || cat "$work/log"
exit $code
