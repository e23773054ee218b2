#!/usr/bin/env bash
# All tests, or some: what `./dev test` and CI run, once everything is built.
#
#   run.sh [unit|lint|threads|cost|system|vm|fuzz ...]
#
#   unit     all that CTest knows (most of it in a few processes: together.py), with AddressSanitizer and UBSan: no privilege, no kernel
#   lint     layering, headers, shellcheck, formatting; ./dev lint has clang-tidy over all files too
#   threads  what several threads use at once, with ThreadSanitizer
#   cost     instructions against bench/baseline.json
#   system   the programs on this host's own kernel; needs root
#   vm       the programs in guests with Debian's kernels, under QEMU
#   fuzz     whatever reads what anybody may have written against libFuzzer, a minute each, with sanitizers
#
# Every skip says why. What failed is named again at the end. The last line is the sum of all parts,
# `N passed, N failed, N skipped`, and the exit code is not 0 if anything failed, or nothing was run.
set -uo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." || exit

# What is installed is what guests and this host run; the tests have sanitizers.
export SWAPTRAIL_BUILD=${SWAPTRAIL_BUILD:-$PWD/build/release}
export SWAPTRAIL_TEST_BUILD=${SWAPTRAIL_TEST_BUILD:-$PWD/build/asan}
export PYTHONDONTWRITEBYTECODE=1
jobs=${SWAPTRAIL_JOBS:-2}
# shellcheck source=tests/vm/at_once.sh
source tests/vm/at_once.sh
readonly failure='^(FAILED|fail|BAD) '
readonly tally='^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$'
work=$(mktemp -d)
finish() {
  [ ! "${lint_pid:-}" ] || kill -- "-$lint_pid" 2>/dev/null
  rm -rf "$work"
}
trap finish EXIT

# Through CTest; how many passed is in its report.
tests_of() { # BUILD CTEST-OPTION...
  local report=$work/${1##*/}.xml
  rm -f "$report"
  ctest --test-dir "$1" -j "$jobs" --timeout 400 --output-on-failure --output-junit "$report" "${@:2}"
  python3 tests/count.py "$report"
}

# The exhaustive tests take five times as long with sanitizers, and do only one case in five there: the preset
# without sanitizers does all. They run beside the others, some of which wait. The quick tests leave them out.
unit() {
  if [ "$SWAPTRAIL_TEST_BUILD" = "$PWD/build/dev" ]; then
    jobs=$((jobs + 1)) tests_of build/dev --label-exclude exhaustive # some wait
    return
  fi
  local code=0 exhaustive together
  jobs=1 tests_of build/dev --label-regex exhaustive >"$work/exhaustive" 2>&1 &
  exhaustive=$!
  mapfile -t together <"$SWAPTRAIL_TEST_BUILD/tests/together"
  tests/together.py "$jobs" "${together[@]}" || code=$?
  tests_of "$SWAPTRAIL_TEST_BUILD" --label-exclude together || code=$?
  wait "$exhaustive" || code=$?
  cat "$work/exhaustive"
  return "$code"
}

threads() {
  TSAN_OPTIONS="suppressions=$PWD/tests/threads/tsan.supp" tests_of build/tsan --label-regex threads
}

cost() { tests/perf/baseline.py "$SWAPTRAIL_BUILD"; }

# Half of the time the tests of the system wait: lint has the CPUs then, if it comes next.
lint_pid='' # of a process group
lint_beside() {
  # shellcheck disable=SC2016  # for the inner shell
  setsid nice -n 19 bash -c 'echo 19 >"/proc/$$/autogroup" # what is nice is so in its session only
    tests/lint.sh --quick >"$1/lint.output" 2>&1; echo $? >"$1/lint.code"' - "$work" 2>/dev/null &
  lint_pid=$!
}

lint() {
  if [ ! "$lint_pid" ]; then
    tests/lint.sh --quick
    return
  fi
  tail --pid="$lint_pid" -f /dev/null
  cat "$work/lint.output"
  return "$(<"$work/lint.code")"
}

system() { python3 tests/system/run.py; }

# The result of a test that reports only by its exit code.
result_of() { # NAME CODE
  case $2 in
    0) echo '1 passed, 0 failed, 0 skipped' ;;
    75) echo "skipped $1: see above" && echo '0 passed, 0 failed, 1 skipped' ;;
    *) echo "FAILED  $1" && echo '0 passed, 1 failed, 0 skipped' ;;
  esac
}

guest() { # NAME COMMAND...
  local code=0
  echo "$1"
  "${@:2}" || code=$?
  result_of "$1" "$code"
}

# Guests need things that are not available everywhere: an emulator, and kernels from the archive.
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
  export SWAPTRAIL_GUESTS=${SWAPTRAIL_GUESTS:-3} # two CPUs are not busy with two: guests also wait
  # what takes longest first
  at_once whole_output vm_deep 'vm_ci 6.12' 'vm_ci 7.3' 'vm_ci 6.1' vm_prometheus vm_systemd vm_freerun vm_locked_down \
    vm_area_names vm_page_states vm_soak vm_sample vm_counters vm_holders vm_swapoff vm_readahead vm_kprobe vm_stacked
}

# Runs one of the tests that run in parallel; its own steps run one by one. If it ends without a result, it has not
# passed.
whole_output() { # COMMAND
  local code=0
  # shellcheck disable=SC2086  # with its argument
  SWAPTRAIL_GUESTS=1 $1 >"$work/$1" 2>&1 || code=$?
  cat "$work/$1"
  grep -qE "$tally" "$work/$1" || result_of "$1" "$((code ? code : 1))"
}

# Recorded, so that each is also checked against the model.
vm_ci() { SWAPTRAIL_CASES_RECORD=1 tests/vm/matrix.sh --cases ci --kernels "$1"; } # KERNEL
vm_deep() { SWAPTRAIL_CASES_RECORD=1 tests/vm/matrix.sh --cases deep; }

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
vm_soak() { guest 'all at once, with cgroups that come and go, for half a minute' tests/vm/soak.sh 6.12 0.5; }
vm_sample() { guest 'a sample of the pages, and a limit of CPU time' tests/vm/sample.sh 6.12; }
vm_counters() { guest 'exact counters without lifecycles' tests/vm/counters.sh 6.12; }
vm_holders() { guest 'who holds swap, and who did before the start' tests/vm/holders.sh 6.12; }
vm_swapoff() { guest 'what a swapoff takes, and one that is followed' tests/vm/swapoff.sh 6.12; }
vm_readahead() { guest 'what is read ahead, and what of it is used' tests/vm/readahead.sh 6.12; }
vm_area_names() { guest 'swap areas that leave holes and change places' tests/vm/area_names.sh 6.12; }
vm_prometheus() { guest 'dashboards, rules and /proc/vmstat, by a real Prometheus' tests/vm/prometheus.sh; }
vm_systemd() {
  echo 'the service, under a real systemd'
  tests/vm/systemd.sh
}

# Of one fuzzer. The corpus in the tree is only read. What breaks it stays in build/fuzz/found, with its log.
fuzz_one() { # TARGET
  local found=build/fuzz/found code=0 corpus=tests/fuzz/corpus/${1%_fuzz}
  mkdir -p "$found" "$work/$1"
  nice "build/fuzz/tests/fuzz/$1" -max_total_time="$fuzz_seconds" -timeout=10 -rss_limit_mb=2048 -close_fd_mask=3 \
    -print_final_stats=1 -artifact_prefix="$found/$1-" "$work/$1" "$corpus" >"$found/$1.log" 2>&1 || code=$?
  if [ "$code" = 0 ]; then
    echo "$1: $(sed -n 's/^Done \(.*\)$/\1/p' "$found/$1.log"), $(sed -n 's/^stat::average_exec_per_sec: *//p' "$found/$1.log") a second"
    echo '1 passed, 0 failed, 0 skipped'
  else
    echo "$(tail -n 60 "$found/$1.log")"$'\n'"FAILED  $1"$'\n''0 passed, 1 failed, 0 skipped'
  fi
}

# Four at a time; SWAPTRAIL_FUZZ_SECONDS each, else a minute.
fuzz() {
  local targets
  mapfile -t targets < <(grep . build/fuzz/tests/fuzz/targets)
  [ ${#targets[@]} -gt 0 ] || return 1
  fuzz_seconds=${SWAPTRAIL_FUZZ_SECONDS:-60}
  SWAPTRAIL_GUESTS=4 at_once fuzz_one "${targets[@]}"
}

# Runs a part and holds back its last line: only the sum of all parts is printed in that form.
part() { # NAME
  local began=$SECONDS
  printf '\n== %s\n' "$1"
  "$1" 2>&1 | sed -uE "/$tally/{w $work/$1
    d}
    /$failure/w $work/$1.failures"
  local code=${PIPESTATUS[0]} p=0 f=0 s=0
  if [ -s "$work/$1" ]; then
    read -r p f s <<<"$(awk '{ p += $1; f += $3; s += $5 } END { print p, f, s }' "$work/$1")"
    # a part that says nothing failed, and ends badly all the same (75: there was nothing to run)
    if [ "$f" = 0 ] && [ "$code" != 0 ] && [ "$code" != 75 ]; then
      echo "FAILED  $1 ended with code $code" | tee -a "$work/$1.failures"
      f=1
    fi
  elif [ "$code" = 75 ]; then
    echo "skipped $1: see above"
    s=1
  else
    echo "FAILED  $1 ended with code $code and without a result" | tee -a "$work/$1.failures"
    f=1
  fi
  echo "-- $1: $p passed, $f failed, $s skipped, $((SECONDS - began)) s"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

[ $# -gt 0 ] || set -- unit threads cost system lint vm fuzz
passed=0 failed=0 skipped=0
for name in "$@"; do
  case $name in
    unit | lint | threads | cost | system | vm | fuzz)
      if [[ $name == system && " $* " == *' system lint '* ]]; then lint_beside; fi
      part "$name"
      ;;
    *)
      sed -n '4,12s/^# \{0,1\}//p' "$0" >&2
      exit 2
      ;;
  esac
done

if [ "$failed" != 0 ]; then
  printf '\n== what failed\n'
  for name in "$@"; do sed "s/^/$name: /" "$work/$name.failures" | cut -c -300; done
fi
echo
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
