#!/usr/bin/env bash
# Adds new parts of the contract to proto/baseline.binpb, with which lint.sh compares it:
#
#   renew.sh
#
# Refuses if a part of the baseline was changed or removed: that would break clients.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."

buf=$(tests/npm.sh tests/proto)/.bin/buf
"$buf" lint proto
"$buf" breaking proto --against proto/baseline.binpb
"$buf" build proto --exclude-source-info -o proto/baseline.binpb
