#!/usr/bin/env bash
# Takes what was added to the contract into proto/baseline.binpb, which lint.sh holds it to:
#
#   renew.sh
#
# Refuses if something that is in the baseline has changed or gone: that would break clients.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."

buf=$(tests/npm.sh tests/proto)/.bin/buf
"$buf" lint proto
"$buf" breaking proto --against proto/baseline.binpb
"$buf" build proto --exclude-source-info -o proto/baseline.binpb
