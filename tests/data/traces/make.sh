#!/usr/bin/env bash
# Makes the traces of real programs anew: on Debian 12, some minutes.
#
#   make.sh [sort|sqlite|compiler ...]
#
# Each is a program under valgrind's lackey, whose trace becomes small (drop_repeats.py) and is compressed. Addresses and
# counts differ a little with the versions of the programs.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

need() { # PACKAGE...
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  local as_root=''
  [ "$(id -u)" = 0 ] || as_root=sudo
  $as_root apt-get update -qq
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# What the program prints is thrown away; the trace comes by a descriptor of its own.
trace() { # NAME COMMAND...
  local name=$1
  shift
  env -i PATH="$PATH" LC_ALL=C valgrind --tool=lackey --trace-mem=yes --log-fd=9 "$@" 9>&1 >/dev/null 2>&1 |
    grep "^ " | python3 drop_repeats.py >"$work/$name.lackey"
  zstd -q -f -19 "$work/$name.lackey" -o "$name.lackey.zst"
  echo "$name: $(wc -l <"$work/$name.lackey") accesses, $(stat -c %s "$name.lackey.zst") bytes"
}

# Numbers of a generator that every awk computes alike.
rows() { # COUNT FORMAT: of three numbers
  awk -v count="$1" -v format="$2" 'BEGIN {
    for (x = 1; count-- > 0;) {
      for (i = 0; i < 3; ++i) n[i] = x = x * 16807 % 2147483647
      printf format, n[0], n[1], n[2]
    }
  }'
}

trace_sort() {
  rows 20000 '%010d some text that makes the line as long as many are %010d %010d\n' >"$work/lines"
  trace sort sort --parallel=1 -S 16M -o /dev/null "$work/lines"
}

trace_sqlite() {
  {
    echo 'PRAGMA journal_mode = MEMORY; PRAGMA cache_size = -16000; BEGIN;'
    echo 'CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c INTEGER);'
    rows 8000 "INSERT INTO t (a, b, c) VALUES (%d, 'a row of some length: %d', %d);\\n"
    echo 'COMMIT; CREATE INDEX by_a ON t (a);'
    rows 300 "SELECT b FROM t WHERE a >= %d ORDER BY a LIMIT 5; -- %d %d\\n"
    echo 'SELECT c % 100, count(*), max(b) FROM t GROUP BY 1 ORDER BY 2;'
    echo 'UPDATE t SET b = b || id WHERE c % 3 = 0;'
  } >"$work/statements"
  trace sqlite sqlite3 "$work/database" ".read $work/statements"
}

trace_compiler() {
  {
    echo 'struct node { struct node *left, *right; unsigned key, value; };'
    for n in $(seq 1 4); do
      cat <<C
static unsigned mix$n(unsigned a, unsigned b) {
  for (unsigned i = 0; i < ${n}u; ++i)
    a = (a ^ b >> i % 13) * 2654435769u + (b << (a & 7));
  return a % (b | 1);
}
struct node *find$n(struct node *at, unsigned key) {
  while (at && at->key != key)
    at = mix$n(at->key, key) & 1 ? at->left : at->right;
  return at;
}
C
    done
  } >"$work/source.c"
  trace compiler "$(gcc -print-prog-name=cc1)" -quiet -O0 "$work/source.c" -o /dev/null
}

need valgrind sqlite3 gcc zstd python3
[ $# -gt 0 ] || set -- sort sqlite compiler
for name in "$@"; do
  case $name in
    sort | sqlite | compiler) "trace_$name" ;;
    *) echo "make.sh: no trace '$name'; there are sort, sqlite and compiler" >&2 && exit 2 ;;
  esac
done
