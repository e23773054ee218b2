#!/usr/bin/env bash
# All tests, or some: what `./dev test` and CI run, once everything is built.
#
#   run.sh [unit|lint|threads|system|vm|fuzz ...]
#
#   unit     all that CTest knows, with AddressSanitizer and UBSan: no privilege, no kernel
#   lint     layering, headers, shellcheck, formatting; ./dev lint has clang-tidy over all files too
#   threads  what several threads use at once, with ThreadSanitizer
#   system   the programs on this host's own kernel; needs root
#   vm       the programs in guests with Debian's kernels, under QEMU
#   fuzz     the reader of recordings against libFuzzer for a minute, with sanitizers
#
# Every skip says why. The last line is the sum of all parts, `N passed, N failed, N skipped`, and
# the exit code is not 0 if anything failed, or nothing was run.
set -uo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." || exit

# What is installed is what guests and this host run; the tests have sanitizers.
export SWAPTRAIL_BUILD=${SWAPTRAIL_BUILD:-$PWD/build/release}
export SWAPTRAIL_TEST_BUILD=${SWAPTRAIL_TEST_BUILD:-$PWD/build/asan}
export PYTHONDONTWRITEBYTECODE=1
jobs=${SWAPTRAIL_JOBS:-2}
# shellcheck source=tests/vm/at_once.sh
source tests/vm/at_once.sh
readonly tally='^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Through CTest; how many passed is in its report.
tests_of() { # BUILD CTEST-OPTION...
  local report=$work/tests.xml
  ctest --test-dir "$1" -j "$jobs" --output-on-failure --output-junit "$report" "${@:2}"
  python3 tests/unit/tally.py "$report"
}

unit() { tests_of "$SWAPTRAIL_TEST_BUILD"; }

threads() {
  TSAN_OPTIONS="suppressions=$PWD/tests/threads/tsan.supp" tests_of build/tsan --label-regex threads
}

lint() { tests/lint.sh --quick; }

system() { python3 tests/system/run.py; }

# One guest that says by its exit code how it went.
guest() { # NAME COMMAND...
  local code=0
  echo "$1"
  "${@:2}" || code=$?
  case $code in
    0) echo '1 passed, 0 failed, 0 skipped' ;;
    75) echo "skipped $1: see above" && echo '0 passed, 0 failed, 1 skipped' ;;
    *) echo "FAILED  $1" && echo '0 passed, 1 failed, 0 skipped' ;;
  esac
}

# Guests need what can't be had everywhere: an emulator, and kernels from the archive.
vm() {
  local missing=''
  for tool in qemu-system-x86_64 busybox cpio modprobe; do
    command -v "$tool" >/dev/null || missing+=" $tool"
  done
  if [ -n "$missing" ]; then
    echo "skipped guest tests: missing$missing"
    echo '0 passed, 0 failed, 1 skipped'
    return
  fi
  # recorded, so that each is also held against the model
  SWAPTRAIL_CASES_RECORD=1 tests/vm/matrix.sh --cases ci
  at_once whole_output vm_freerun vm_systemd vm_locked_down vm_kprobe vm_stacked vm_page_states vm_area_names vm_prometheus
}

# Of one of those that run beside each other; what it starts runs one by one.
whole_output() { # COMMAND
  SWAPTRAIL_GUESTS=1 "$1" >"$work/$1" 2>&1
  cat "$work/$1"
}

vm_locked_down() {
  echo 'locked down: no probe reads, and still full mode'
  tests/vm/matrix.sh --kernels '6.12 7.3' --cases nvme-pageout --append lockdown=confidentiality
}
vm_freerun() {
  echo 'the free run of the engine beside kernels'
  tests/vm/freerun.sh --patterns hotcold --clusters 0
}
vm_kprobe() {
  echo 'mode kprobe'
  tests/vm/matrix.sh --kernels 6.12 --cases zram-anon --daemon-args --mode=kprobe
}
vm_stacked() { guest 'mode tracepoint, on a disk behind device mapper' tests/vm/stacked.sh 6.12; }
vm_page_states() { guest 'a page in each state of its life' tests/vm/page_states.sh 6.12; }
vm_area_names() { guest 'swap areas that leave holes and change places' tests/vm/area_names.sh 6.12; }
vm_prometheus() { guest 'dashboards, rules and /proc/vmstat, by a real Prometheus' tests/vm/prometheus.sh; }
vm_systemd() {
  echo 'the service, under a real systemd'
  tests/vm/systemd.sh
}

# The corpus in the tree is only read. What breaks it stays in build/fuzz/found, with the log.
fuzz() {
  local found=build/fuzz/found code=0
  mkdir -p "$found"
  build/fuzz/tests/fuzz/recording_fuzz -max_total_time="${SWAPTRAIL_FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="$found/" "$work" tests/fuzz/corpus/recording >"$found/log" 2>&1 || code=$?
  tail -n 2 "$found/log"
  if [ "$code" = 0 ]; then
    echo '1 passed, 0 failed, 0 skipped'
  else
    tail -n 60 "$found/log"
    echo 'FAILED  recording_fuzz' && echo '0 passed, 1 failed, 0 skipped'
  fi
}

# Runs a part and keeps its last line back: only the sum of all is printed as such a line.
part() { # NAME
  printf '\n== %s\n' "$1"
  "$1" 2>&1 | sed -uE "/$tally/{w $work/$1
    d}"
  local code=${PIPESTATUS[0]} p=0 f=0 s=0
  if [ -s "$work/$1" ]; then
    read -r p f s <<<"$(awk '{ p += $1; f += $3; s += $5 } END { print p, f, s }' "$work/$1")"
    # a part that says nothing failed, and ends badly all the same (75: there was nothing to run)
    if [ "$f" = 0 ] && [ "$code" != 0 ] && [ "$code" != 75 ]; then
      echo "FAILED  $1 ended with code $code"
      f=1
    fi
  elif [ "$code" = 75 ]; then
    echo "skipped $1: see above"
    s=1
  else
    echo "FAILED  $1 ended with code $code and without a result"
    f=1
  fi
  echo "-- $1: $p passed, $f failed, $s skipped"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

[ $# -gt 0 ] || set -- unit lint threads system vm fuzz
passed=0 failed=0 skipped=0
for name in "$@"; do
  case $name in
    unit | lint | threads | system | vm | fuzz) part "$name" ;;
    *)
      sed -n '4,11s/^# \{0,1\}//p' "$0" >&2
      exit 2
      ;;
  esac
done

echo
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
