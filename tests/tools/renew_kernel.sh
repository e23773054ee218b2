#!/usr/bin/env bash
# Makes the fixtures of kernels anew, tests/data/kernels/SERIES.btf and .symbols, and the table of functions in docs/KERNELS.md:
#
#   renew_kernel.sh SERIES...
#
# Gets each kernel of tests/vm/kernels.sh, and boots it once for its /proc/kallsyms. What is kept: names.txt beside the fixtures.
# Needs build/dev, and what guests need. Exit code 75: a kernel can't be had here.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
[ $# -gt 0 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2 && exit 2; }
readonly build=${SWAPTRAIL_TEST_BUILD:-build/dev} fixtures=tests/data/kernels

cmake --build "$build" --target trim_btf >/dev/null
for series in "$@"; do
  kernel=$(tests/vm/kernels.sh get "$series")
  "$build/tests/tools/trim_btf" "$kernel/btf" $fixtures/names.txt "$fixtures/$series.btf"
  # Functions of the kernel itself by these names, and clones that the compiler made of them (NAME.isra.0).
  tests/vm/guest.sh "$series" -- cat /proc/kallsyms |
    awk 'NR == FNR { if ($1 == "func") wanted[$2]; next }
         NF == 3 && $2 ~ /^[tTwW]$/ { name = $3; sub(/\..*/, "", name); if (name in wanted) print $3 }' $fixtures/names.txt - |
    LC_ALL=C sort >"$fixtures/$series.symbols.new"
  [ -s "$fixtures/$series.symbols.new" ] || { rm "$fixtures/$series.symbols.new" && echo "$series: no symbols" >&2 && exit 1; }
  mv "$fixtures/$series.symbols.new" "$fixtures/$series.symbols"
done
cmake --build "$build" --target kernels_doc >/dev/null
