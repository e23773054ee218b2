#!/bin/bash
# Runs the guest tests: boots kernels, two at a time, runs cases.sh in them, lets check.py
# judge, and prints one table.
#
#   matrix.sh [options]
#
#   --kernels "6.1 6.12"  series of kernels.sh; by default what the cases are meant for
#   --cases CASES         quick  anon on nvme and zram, on all kernels
#                         ci     most workloads, on 6.1, 6.12 and 7.3 (the default)
#                         deep   what is done once: most of the way back, the full rate; on 6.12
#                         all    every device with every workload that makes sense, on 6.12
#                         or cases by name: "nvme-anon zram-full", see cases.sh
#   --build DIR           a build folder, build/release by default
#   --daemon-args ARGS    more arguments for it, such as --mode=kprobe
#   --append ARGS         more kernel arguments, such as lockdown=confidentiality
#   --cpus N              2 by default
#   --out DIR             keeps all outputs there (some 200 MB for each `full`)
#
# Exit code: 0 all passed or were skipped with a reason, 1 something failed, 75 nothing to run.
# shellcheck disable=SC2317 # at_once calls them
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
root=$(readlink -f "$here/../..")
# shellcheck source=tests/vm/at_once.sh
source "$here/at_once.sh"

readonly ANON=(anon pageout fork thp zero clean reclaim)
readonly CI_KERNELS="6.12 6.1 7.3"

cases_of() { # WHICH SERIES
    local kind
    case $1 in
        quick) echo nvme-anon zram-anon ;;
        ci)
            printf 'nvme-%s ' anon pageout fork shmem thp zero clean
            echo zram-anon zswap-reclaim slow-wait nvme-ahead # the way back: a few everywhere
            case $2 in
                6.1) echo nvme-attach ;;
                7.3) echo nvme-swapmax slow-hands broken-readerror ;;
            esac ;;
        deep)
            # Large folios before zswap: a kernel that ever had it enabled swaps none in.
            echo zram-mthp nvme-mthp zswap-pool nvme-areas nvme-swapmax zram-areafull slow-tmpfs slow-hands
            echo broken-readerror nvme-quiet late-nobody nvme-pidreuse nvme-onecpu nvme-full ;;
        all)
            for kind in nvme virtio zram file zswap; do
                printf "$kind-%s " "${ANON[@]}" shmem swapoff
            done
            echo nvme-full zram-full zram-mthp nvme-mthp slow-wait slow-waitahead slow-waitthreads slow-waitcrowd
            echo nvme-ahead zswap-pool slow-offtouch slow-offbreak nvme-areas nvme-swapmax zram-areafull
            echo zram-thpfull nvme-thpfull slow-tmpfs slow-hands nvme-sharers nvme-ksm zram-ksm broken-readerror
            echo nvme-quiet late-nobody nvme-pidreuse nvme-attach zram-attach nvme-onecpu zram-crowd nvme-crowd ;;
        *) echo "$1" ;;
    esac
}

kernels_of() { # WHICH
    case $1 in
        quick) "$here/kernels.sh" list ;;
        all | deep) echo 6.12 ;;
        *) echo "$CI_KERNELS" ;;
    esac
}

usage() { sed -n '2,19s/^# \{0,1\}//p' "$0" >&2; exit 2; }

kernels='' cases=ci build=${SWAPTRAIL_BUILD:-$root/build/release} daemon_args='' append='' cpus=2 out=''
while [[ $# -gt 0 ]]; do
    [[ $# -ge 2 ]] || usage
    case $1 in
        --kernels) kernels=$2 ;;
        --cases) cases=$2 ;;
        --build) build=$2 ;;
        --daemon-args) daemon_args=$2 ;;
        --append) append=$2 ;;
        --cpus) cpus=$2 ;;
        --out) out=$2 ;;
        *) usage ;;
    esac
    shift 2
done
read -ra series <<<"${kernels:-$(kernels_of "$cases")}"
export SWAPTRAIL_BUILD=$build # check.py replays what was recorded

mkdir -p "$root/build/vm"
# Copies, below a folder that guests see: so that a build meanwhile does not change what is tested.
bin=$(mktemp -d "$root/build/vm/bin-XXXXXX") scratch=''
trap 'rm -rf "$bin" ${scratch:+"$scratch"}' EXIT
chmod 755 "$bin"
for program in "$build/daemon/swaptraild" "$build/cli/swaptrail"; do
    [[ -x $program ]] || { echo "matrix.sh: no $program: build it first" >&2; exit 75; }
    objcopy --strip-debug "$program" "$bin/$(basename "$program")" # emulated guests read it slowly
    chmod 755 "$bin/$(basename "$program")"
done
[[ $out ]] || { scratch=$(mktemp -d /var/tmp/matrix-XXXXXX); out=$scratch; }
mkdir -p "$out"
for program in workload actor; do
    made=$root/build/vm/$program
    if [[ ! $made -nt $here/$program.cpp || ! $made -nt $here/pages.h || ! $made -nt $here/measure.h ]]; then
        "${CXX:-g++}" -std=c++20 -O2 -Wall -Wextra -pthread -static -o "$made.$$" "$here/$program.cpp"
        mv "$made.$$" "$made" # as a whole: several of us may make it at once
    fi
    cp "$made" "$bin/"
done

run_kernel() { # SERIES: leaves a result for each case, or one for the kernel
    local share=$out/$1 code=0 word=fail case list
    rm -rf "$share"
    mkdir "$share"
    "$here/kernels.sh" get "$1" >/dev/null 2> >(tee "$share/guest.err" >&2) || code=$?
    if [[ $code != 0 ]]; then
        [[ $code == 75 ]] && word=skip
        echo "$word $(tail -n1 "$share/guest.err")" >"$share/result"
        return
    fi
    read -ra list <<<"$(cases_of "$cases" "$1" | tr '\n' ' ')"
    echo "=== $1: ${list[*]}"
    "$here/guest.sh" "$1" --share "$share" --memory 2048 --virtio-disk 1024 --cpus "$cpus" --append "$append" \
        --timeout $((120 + 150 * ${#list[@]})) -- \
        env SWAPTRAILD_ARGS="$daemon_args" SWAPTRAIL_CASES_RECORD="${SWAPTRAIL_CASES_RECORD-}" \
        SWAPTRAIL_CASES_SMALL="${SWAPTRAIL_CASES_SMALL-}" "$here/cases.sh" "$bin" /share "${list[@]}" \
        2> >(tee "$share/guest.err" >&2) | sed -u "s/^/  $1: /" || code=${PIPESTATUS[0]}
    case $code in
        0 | 1) ;;
        75) echo "skip $(tail -n1 "$share/guest.err")" >"$share/result"; return ;;
        *) echo "fail the guest ended with code $code: $(tail -n1 "$share/guest.err")" >"$share/result" ;;
    esac
    for case in "${list[@]}"; do
        [[ -s $share/$case/result ]] && continue
        mkdir -p "$share/$case"
        echo "fail never finished" >"$share/$case/result"
    done
}

at_once run_kernel "${series[@]}"
echo
code=0
python3 "$here/check.py" "$out" || code=$?
exit $code
