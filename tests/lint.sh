#!/usr/bin/env bash
# Checks of the text of the project. Each is a test: it prints what is wrong, then a line.
#
#   lint.sh           all
#   lint.sh --quick   without clang-tidy, which takes minutes
#
# Needs a configured build (the folder $SWAPTRAIL_BUILD, build/dev by default).
# Ends with `N passed, N failed, N skipped`; exit code 1 if one failed.
set -uo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." || exit

build=${SWAPTRAIL_BUILD:-$PWD/build/dev}
jobs=${SWAPTRAIL_JOBS:-2}
passed=0 failed=0 skipped=0

# Files of ours, also those that are not in git yet.
files() { # GLOB...
  git ls-files --cached --others --exclude-standard -- "$@" | sort -u | while read -r file; do
    [ ! -f "$file" ] || echo "$file"
  done
}

# Everything that begins with the first line of a shell script.
scripts() { files | xargs -d '\n' grep -lIE -m1 '^#!.*\b(ba|da)?sh\b' | while read -r file; do
  head -n1 "$file" | grep -q '^#!.*sh' && echo "$file"
done; }

check() { # NAME TOOL COMMAND...
  local name=$1 tool=$2
  if ! command -v "$tool" >/dev/null; then
    echo "skipped $name: $tool is missing"
    skipped=$((skipped + 1))
  elif "${@:3}"; then
    echo "ok      $name"
    passed=$((passed + 1))
  else
    echo "FAILED  $name"
    failed=$((failed + 1))
  fi
}

layering() { python3 tests/lint/layering.py; }
layering_can_fail() { python3 tests/lint/layering_test.py 2>&1 | awk '{ text = text $0 "\n" } END { if (!/^OK/) { printf "%s", text; exit 1 } }'; }

# The headers of C++; those of the programs are BPF C, and event.h is both.
headers() {
  cmake --build "$build" --target headers_alone -j "$jobs" -- -k 0 >"$build/headers.log" 2>&1 && return
  grep -E 'error|FAILED' "$build/headers.log"
  return 1
}

bpf_headers() {
  local header code=0
  for header in $(files 'bpf/*.h'); do
    [ "$header" != bpf/programs.bpf.h ] || continue # a list of macro calls, for two objects
    printf '#include "%s"\n#include "%s"\n' "${header#bpf/}" "${header#bpf/}" |
      clang -target bpf -D__TARGET_ARCH_x86 -mcpu=v2 -g -O2 -Wall -Werror -Wno-unused-function \
        -Wno-missing-declarations -fsyntax-only -Ibpf -x c - || code=1
  done
  printf '#include "event.h"\n' | cc -std=c11 -Wall -Werror -fsyntax-only -Ibpf -x c - || code=1
  return $code
}

shell_scripts() { scripts | xargs -d '\n' shellcheck -x; }
cpp_format() { files 'trace/*' 'engine/*' 'daemon/*' 'cli/*' 'tests/*' 'bench/*' | grep -E '\.(h|cpp)$' | xargs -d '\n' clang-format --dry-run -Werror; }
bpf_format() { files 'bpf/*.h' 'bpf/*.c' | xargs -d '\n' clang-format --dry-run -Werror; }
tidy() { files 'trace/*.cpp' 'engine/*.cpp' 'daemon/*.cpp' 'cli/*.cpp' | xargs -d '\n' -n 1 -P "$jobs" clang-tidy --quiet -p "$build" 2>/dev/null; }

check layering python3 layering
check 'layering can fail' python3 layering_can_fail
check 'headers compile alone' cmake headers
check 'bpf headers compile alone' clang bpf_headers
check shellcheck shellcheck shell_scripts
check 'format of C++' clang-format cpp_format
check 'format of bpf' clang-format bpf_format
[ "${1-}" = --quick ] || check clang-tidy clang-tidy tidy

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
