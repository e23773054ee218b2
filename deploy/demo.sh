#!/usr/bin/env bash
# ./dev demo: real swapping on this machine, followed live; everything is undone at the end.
#
#   demo.sh                  on this host; needs root
#   demo.sh --guest KERNEL   the same in a small virtual machine with that kernel, such as 6.12
#
# Makes a swap file of 256 MiB and a cgroup that may hold 48 MiB, runs in it a program that
# writes 96 MiB twice, and shows what swaptraild reports. Takes less than a minute.
set -uo pipefail
self=$(readlink -f "${BASH_SOURCE[0]}")
root=$(dirname "$(dirname "$self")")
readonly self root
cd "$root" || exit

readonly build=${SWAPTRAIL_BUILD:-$root/build/release}
readonly daemon=$build/daemon/swaptraild workload=$build/deploy/workload
readonly swap_mib=256 rounds=2
work_mib=96 limit_mib=48
readonly shown_first=12 shown_each_second=2

colour=no in_guest=no
[ ! -t 1 ] || [ -n "${NO_COLOR-}" ] || colour=yes

# Colours of the theme, or nothing.
paint() { # CODE TEXT
  if [ "$colour" = yes ]; then printf '\033[%sm%s\033[0m' "$1" "$2"; else printf '%s' "$2"; fi
}
title() { printf '\n%s\n' "$(paint '1;36' "$*")"; }
say() { printf '  %s\n' "$*"; }
refuse() {
  printf 'demo: %s\n' "$*" >&2
  exit 1
}

work='' area='' cgroup='' daemon_pid='' workload_pid='' follow_pid=''

# Undoes everything, in the order that lets each step succeed: no process, no swapped page, no area.
clean_up() {
  local code=$?
  trap '' INT TERM
  exec 3>&- 4<&-
  [ -z "$workload_pid" ] || { kill "$workload_pid" && wait "$workload_pid"; } 2>/dev/null
  [ -z "$daemon_pid" ] || { kill "$daemon_pid" && wait "$daemon_pid"; } 2>/dev/null
  [ -z "$follow_pid" ] || wait "$follow_pid" 2>/dev/null
  [ -z "$area" ] || swapoff "$area" || printf 'demo: swapoff %s by hand\n' "$area" >&2
  [ -z "$cgroup" ] || rmdir "$cgroup" || printf 'demo: remove the cgroup %s by hand\n' "$cgroup" >&2
  [ -z "$work" ] || rm -rf "$work"
  if [ "$code" != 0 ] && [ -n "$work" ]; then say 'Stopped; everything was undone.'; fi
  exit "$code"
}

# The cgroup hierarchy that limits memory, as "version mount-point".
memory_hierarchy() {
  awk '{
    for (i = 7; $i != "-"; i++);
    if ($(i + 1) == "cgroup" && ("," $NF ",") ~ /,memory,/) { print 1, $5; exit }
    if ($(i + 1) == "cgroup2") two = $5
  } END { if (two) print 2, two }' /proc/self/mountinfo
}

make_cgroup() {
  local version='' mount='' limit=memory.max
  read -r version mount <<<"$(memory_hierarchy)"
  [ -n "$version" ] || refuse 'no cgroup hierarchy is mounted'
  if [ "$version" = 2 ]; then
    grep -qw memory "$mount/cgroup.controllers" || refuse 'no cgroup here can limit memory'
    grep -qw memory "$mount/cgroup.subtree_control" || echo +memory >"$mount/cgroup.subtree_control" ||
      refuse 'the memory controller of cgroup2 cannot be turned on here'
  else
    limit=memory.limit_in_bytes
  fi
  mkdir "$mount/swaptrail-demo" || refuse 'a cgroup cannot be made here (is another demo running?)'
  cgroup=$mount/swaptrail-demo
  echo $((limit_mib << 20)) >"$cgroup/$limit" || refuse 'a memory limit cannot be set here'
}

# Swap files can't be on tmpfs or overlayfs: /var/tmp is on a disk nearly everywhere.
make_area() {
  local file=$work/swap
  { dd if=/dev/zero of="$file" bs=1M count=$swap_mib status=none && chmod 600 "$file"; } ||
    refuse "no room for a swap file of $swap_mib MiB in $work"
  if ! { mkswap "$file" && swapon "$file"; } >"$work/swapon" 2>&1; then
    refuse "no swap file can be used here: $(tail -n1 "$work/swapon"); set TMPDIR to a folder on a disk"
  fi
  area=$file
}

explain() {
  "$daemon" --explain-attach >"$work/explain" || exit
  local mode hidden
  title 'What this kernel permits'
  awk '/^(kernel|mode) / { sub(/, by .*/, ""); print "  " $0 }' "$work/explain"
  mode=$(awk '$1 == "mode" { sub(/,/, "", $2); print $2 }' "$work/explain")
  case $mode in
    full) say '         tracing programs on the functions of the swap path: everything can be seen' ;;
    kprobe) say '         kprobes on the functions of the swap path: everything can be seen' ;;
    tracepoint)
      say '         raw tracepoints: which page was written, to which slot, when it was on the disk'
      say '         and freed, in whose memory cgroup, and (a guess) of which process'
      say '         mode full would add: its address and true owner, each stage between, attempts that were'
      say '         given up and why, when a page comes back, who waits for it and how long'
      awk '$1 == "tracing" { sub(/^tracing +no +/, ""); sub(/ \(.*/, ""); print "         why not full: " $0 }' "$work/explain"
      ;;
  esac
  hidden=$(awk '$2 == "MISSING" { sub(/^.*hidden: /, ""); print }' "$work/explain")
  [ -n "$hidden" ] || return 0
  title "What it can't see"
  awk '{ print "  - " $0 }' <<<"$hidden"
}

# Lifecycles, two lines each: the first ones, then a few of each second. All of the summary.
follow() {
  awk -v first=$shown_first -v each=$shown_each_second -v colour="$colour" '
    function paint(code, text) { return colour == "yes" ? "\033[" code "m" text "\033[0m" : text }
    function tell_hidden() {
      if (hidden) print paint("2", "        ... and " hidden " more")
      hidden = 0
    }
    /^ *[0-9]+\.[0-9]+ / {
      kind = / -> / ? "out" : "back" # some of each
      moment = int($1 * each)
      if (++lines > first && moment == last[kind]) { hidden++; next }
      last[kind] = moment
      tell_hidden()
      stages = ""
      if (split($0, part, / \| /) == 2) stages = part[2]
      what = part[1]
      if (colour == "yes") {
        gsub(/freed_[a-z]+|swapped_in/, "\033[32m&\033[0m", what)
        gsub(/aborted( \([a-z_]+\))?|in_flight|unknown|VIOLATION|LOST/, "\033[33m&\033[0m", what)
      }
      print "  " what
      if (stages != "") print paint("2", "              " stages)
      fflush()
      next
    }
    {
      if (!summary) {
        tell_hidden()
        print "\n" paint("1;36", "Summary")
        summary = 1
      }
      print (/^[A-Z]/ ? paint("1", "  " $0) : "  " $0)
      fflush()
    }'
}

start_daemon() {
  # Another area gets the pages of other processes: show ours only.
  local only=()
  if [ "$other_swap" = yes ]; then only=(--cgroup "/${cgroup##*/}"); fi
  mkfifo "$work/lines"
  : >"$work/daemon.err"
  follow <"$work/lines" &
  follow_pid=$!
  "$daemon" --print=text --run-dir "$work/run" "${only[@]}" >"$work/lines" 2>"$work/daemon.err" &
  daemon_pid=$!
  local tries
  for ((tries = 0; tries < 300; tries++)); do
    ! grep -q '^swaptraild: ready' "$work/daemon.err" || return 0
    kill -0 "$daemon_pid" 2>/dev/null || break
    sleep 0.1
  done
  refuse "swaptraild does not start: $(tail -n1 "$work/daemon.err")"
}

# The program moves into the cgroup before it begins; it checks every page that comes back.
run_workload() {
  mkfifo "$work/steps" "$work/answers"
  (
    echo "$BASHPID" >"$cgroup/cgroup.procs" || exit
    exec "$workload" anon --mib $work_mib --rounds $rounds <"$work/steps" >"$work/answers" 2>"$work/workload.err"
  ) &
  workload_pid=$!
  exec 3>"$work/steps" 4<"$work/answers"
  local answer='' step code
  for step in 'write all pages' 'read them all back'; do
    read -rt 60 answer <&4
    [ "$answer" = ready ] || refuse "the workload could not $step: $(tail -n1 "$work/workload.err")"
    echo >&3
  done
  wait "$workload_pid"
  code=$?
  workload_pid=''
  [ "$code" = 0 ] || refuse "the workload ended with code $code: $(tail -n1 "$work/workload.err")"
}

stop_daemon() {
  local code
  kill -INT "$daemon_pid"
  wait "$daemon_pid"
  code=$?
  daemon_pid=''
  wait "$follow_pid"
  follow_pid=''
  [ "$code" = 0 ] || refuse "swaptraild ended with code $code: $(tail -n1 "$work/daemon.err")"
}

counter() { awk -v name="$1" '$1 == name { print $2 }' /proc/vmstat; }

on_this_machine() {
  [ "$(id -u)" = 0 ] || refuse 'swapping needs root: sudo ./dev demo'
  if [ ! -x "$daemon" ] || [ ! -x "$workload" ]; then refuse 'not built yet: ./dev build release'; fi
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  work=$(mktemp -d "${TMPDIR:-/var/tmp}/swaptrail-demo-XXXXXX")
  other_swap=no
  [ "$(wc -l </proc/swaps)" = 1 ] || other_swap=yes
  explain

  title 'What happens now'
  if [ "$in_guest" = yes ]; then
    other_swap=no
    say 'Swap: a disk of this virtual machine'
  elif [ "$other_swap" = yes ]; then
    say 'Swap is on here already. The demo adds a file of lower priority, and shows its own pages only;'
    say 'they go to the other area as long as it has room, and leave it when the demo ends.'
    make_area
  else
    make_area
    say "Swap: a file of $swap_mib MiB, for as long as this takes"
  fi
  make_cgroup
  say "Work: a program writes $work_mib MiB, $rounds times over, in a cgroup that may hold $limit_mib MiB"
  say 'Then it reads every page back, and checks what is in it'
  local before after
  start_daemon
  before=$(counter pswpout)

  title 'Pages on their way out: process, address -> swap area:slot, and each stage with its time'
  run_workload
  sleep 0.3
  after=$(counter pswpout)
  stop_daemon

  title 'And'
  say "the kernel counted $((after - before)) pages written to swap (pswpout in /proc/vmstat) meanwhile: see Trust above"
  say 'the program found every page as it had left it'
  say 'swap area, cgroup and programs are gone again'
}

case ${1-} in
  '') on_this_machine ;;
  --guest)
    [ $# = 2 ] || refuse 'usage: ./dev demo --guest KERNEL, such as 6.12'
    title "A virtual machine with Linux $2, in software emulation: slow, and seen in full"
    if [ "$colour" = yes ]; then set -- "$@" --colour; fi
    # One CPU: with more, QEMU can crash a kernel that patches its own code, as attaching does.
    exec tests/vm/guest.sh "$2" --cpus 1 -- tests/vm/areas.sh nvme "$self" --in-guest "${@:3}"
    ;;
  --in-guest)
    in_guest=yes work_mib=48 limit_mib=24 # emulation is slow
    [ "${2-}" != --colour ] || colour=yes
    on_this_machine
    ;;
  *) refuse "unknown argument '$1': none, or --guest KERNEL" ;;
esac
