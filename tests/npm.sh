#!/usr/bin/env bash
# Installs the npm packages that a folder's package.json names, and prints where they are:
#
#   npm.sh FOLDER
#
# They go to a cache outside the tree, one folder for each content of package.json. Exit code 75,
# with the reason on stderr: they are not available here.
set -euo pipefail

[[ $# == 1 && -f $1/package.json ]] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
command -v npm >/dev/null || { echo 'npm is missing' >&2; exit 75; }
cache=${XDG_CACHE_HOME:-$HOME/.cache}/swaptrail/npm
place=$cache/$(sha256sum "$1/package.json" | cut -c-16)
if [[ ! -e $place/complete ]]; then
    rm -rf "$place" && mkdir -p "$place"
    cp "$1/package.json" "$place/"
    if ! (cd "$place" && npm install --no-audit --no-fund --no-package-lock --ignore-scripts --silent >&2); then
        echo 'npm can not install what package.json names' >&2
        exit 75
    fi
    touch "$place/complete"
fi
echo "$place/node_modules"
