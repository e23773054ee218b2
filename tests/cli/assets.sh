#!/usr/bin/env bash
# Compares the chart library that is kept in cli/compare/assets with npm's package of the version that package.json there
# names:
#
#   assets.sh [--self-test]
#
# --self-test: a copy with one byte more, and one of another version, must be found. Exit code 75, with the reason on stderr:
# the package is not available here.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."

assets=cli/compare/assets
modules=$(tests/npm.sh "$assets")

# Names each file that differs.
compare() { # FOLDER_OF_ASSETS
  local wanted version code=0
  wanted=$(sed -n 's/.*"uplot": "\(.*\)".*/\1/p' "$1/package.json")
  version=$(sed -n 's/.*"version": "\(.*\)".*/\1/p' "$modules/uplot/package.json")
  [ "$wanted" = "$version" ] || { echo "package.json names uPlot $wanted; this is $version" && code=1; }
  for pair in uplot.min.js:dist/uPlot.iife.min.js uplot.min.css:dist/uPlot.min.css uplot.LICENSE:LICENSE; do
    cmp "$1/${pair%%:*}" "$modules/uplot/${pair#*:}" || code=1
  done
  return $code
}

if [ "${1-}" != --self-test ]; then
  compare "$assets"
  exit
fi
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
for file in uplot.min.js uplot.min.css uplot.LICENSE; do
  cp "$assets"/* "$copy/"
  echo >>"$copy/$file"
  ! compare "$copy" >/dev/null 2>&1 || { echo "a byte more in $file was not found" && exit 1; }
done
cp "$assets"/* "$copy/"
sed -i 's/"uplot": "[^"]*"/"uplot": "0.0.1"/' "$copy/package.json"
! compare "$copy" >/dev/null 2>&1 || { echo 'another version was not found' && exit 1; }
