#!/usr/bin/env bash
# Checks of the text of the project. Each is a test: it prints what is wrong, then a line.
#
#   lint.sh           all
#   lint.sh --quick   clang-tidy only over the headers: over all it takes many minutes
#
# Needs a configured build with tests (the folder $SWAPTRAIL_TEST_BUILD, build/dev by default).
# Ends with `N passed, N failed, N skipped`; exit code 1 if one failed.
set -uo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." || exit

build=${SWAPTRAIL_TEST_BUILD:-$PWD/build/dev}
jobs=${SWAPTRAIL_JOBS:-2}
export PYTHONDONTWRITEBYTECODE=1
passed=0 failed=0 skipped=0 why=

# Our files whose path matches.
files() { # EXTENDED-REGEX
  find . \( -path ./build -o -path ./.git -o -path ./.cache \) -prune -o -type f -printf '%P\n' | grep -E "$1" | sort
}

# Every file whose first line is that of a shell script.
scripts() {
  local file
  for file in $(files '^[^.]+(\.sh)?$|^\.ci/'); do
    ! head -n1 "$file" | grep -aqE '^#!.*\b(ba|da)?sh\b' || echo "$file"
  done
}

skip() { # NAME REASON
  echo "skipped $1: $2"
  skipped=$((skipped + 1))
}

# A command that can't be tried returns 75, with the reason in $why.
check() { # NAME TOOL COMMAND...
  local name=$1 tool=$2 code=0
  command -v "$tool" >/dev/null || { skip "$name" "$tool is missing" && return; }
  "${@:3}" || code=$?
  case $code in
    0) echo "ok      $name" && passed=$((passed + 1)) ;;
    75) skip "$name" "$why" ;;
    *) echo "FAILED  $name" && failed=$((failed + 1)) ;;
  esac
}

layering() { python3 tests/lint/layering.py; }
# A test of a checker: its output only if it fails.
checker_can_fail() { python3 "tests/lint/$1_test.py" 2>&1 | awk '{ text = text $0 "\n" } END { if (!/^OK/) { printf "%s", text; exit 1 } }'; }
statements() { python3 tests/lint/statements.py; }

# The headers of C++, and event.h, which both sides use.
headers() {
  local unguarded
  unguarded=$(files '^(trace|engine|validate|manual|daemon|cli)/.*\.h$' | xargs grep -LE '^#pragma once$|^#ifndef SWAPTRAIL_[A-Z0-9_]+_H_$')
  [ -z "$unguarded" ] || { echo "not guarded against a second inclusion: $unguarded" && return 1; }
  cmake --build "$build" --target headers_alone -j "$jobs" -- -k 0 >"$build/headers.log" 2>&1 && return
  grep -E 'error|FAILED' "$build/headers.log"
  return 1
}

bpf_headers() {
  local header code=0
  for header in $(files '^bpf/.*\.bpf\.h$|^bpf/kernel_types\.h$'); do
    [ "$header" != bpf/programs.bpf.h ] || continue # a list of macro calls, for two objects
    printf '#include "%s"\n#include "%s"\n' "${header#bpf/}" "${header#bpf/}" |
      clang -target bpf -D__TARGET_ARCH_x86 -mcpu=v2 -g -O2 -Wall -Werror -Wno-unused-function \
        -Wno-missing-declarations -fsyntax-only -Ibpf -x c - || code=1
  done
  printf '#include "event.h"\n' | cc -std=c11 -Wall -Werror -fsyntax-only -Ibpf -x c - || code=1
  return $code
}

shell_scripts() { scripts | xargs shellcheck -x; }
# Names the files that clang-format would change.
formatted() { # FILE...
  local file code=0
  for file in "$@"; do
    clang-format "$file" | cmp -s - "$file" || { echo "$file: clang-format -i would change it" && code=1; }
  done
  return $code
}
# shellcheck disable=SC2046  # no file of ours has a space in its name
cpp_format() { formatted $(files '^(trace|engine|validate|manual|daemon|cli|tests|bench)/.*\.(h|cpp)$'); }
# shellcheck disable=SC2046
bpf_format() { formatted $(files '^bpf/.*\.[ch]$'); }
# On the contract, from npm.
buf() { # ARGUMENT...
  local modules code=0 log
  log=$(mktemp)
  modules=$(tests/npm.sh tests/proto 2>"$log") || code=$?
  why=$(tail -n1 "$log")
  [ $code = 0 ] || [ $code = 75 ] || cat "$log"
  rm -f "$log"
  [ $code = 0 ] || return $code
  "$modules/.bin/buf" "$@"
}
tidy() { xargs -n 1 -P "$jobs" clang-tidy --quiet -p "$1" 2>/dev/null; } # FOLDER with the compile commands
tidy_headers() { printf '%s\n' "$build"/tests/lint/together/*.cpp | tidy "$build"; }
# Each source by itself: a build of several files at once has no command for one of them. Only what is generated is built.
tidy_all() {
  local each=$build/tidy
  cmake --preset dev -B "$each" -DCMAKE_UNITY_BUILD=OFF >/dev/null || return
  ninja -C "$each" -t targets all | sed -n 's|^\([^/].*\.h\): CUSTOM_COMMAND$|\1|p' | xargs ninja -C "$each" >/dev/null || return
  files '^(trace|engine|validate|manual|daemon|cli)/.*\.cpp$' | tidy "$each"
}

check layering python3 layering
check 'layering can fail' python3 checker_can_fail layering
check 'tests of statements' python3 statements
check 'tests of statements can fail' python3 checker_can_fail statements
check 'headers compile alone' cmake headers
check 'bpf headers compile alone' clang bpf_headers
check shellcheck shellcheck shell_scripts
check 'format of C++' clang-format cpp_format
check 'format of bpf' clang-format bpf_format
check 'buf lint' npm buf lint proto
check 'buf breaking' npm buf breaking proto --against proto/baseline.binpb
check 'clang-tidy of headers' clang-tidy tidy_headers
[ "${1-}" = --quick ] || check clang-tidy clang-tidy tidy_all

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
