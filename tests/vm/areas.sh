#!/bin/bash
# Swap areas of every kind, for tests inside a guest of guest.sh.
#
#   areas.sh KIND COMMAND ARGS...    runs a command with such an area, and undoes the area
#   source areas.sh                  gives area_up KIND [MIB], which sets $area_device, and area_down
#
# Kinds: nvme    the disk /dev/nvme0n1, like an SSD: written asynchronously
#        virtio  the disk /dev/vda (guest.sh --virtio-disk), which counts as rotational
#        zram    compressed memory, written synchronously
#        file    a swap file on ext4 on the nvme disk
#        zswap   the nvme disk behind zswap
#        slow    the nvme disk, where each read takes 5 ms more
#        late    the nvme disk, where each write takes 300 ms more
#        broken  the nvme disk; area_break lets all reads of it fail, area_mend ends that
# MIB (512) is the size of zram and of the file. Exit code 75: this guest can't have that kind.

area_device='' area_mount='' area_zram='' area_mapped='' area_zswap=()

area_missing() { echo "areas.sh: $*" >&2; return 75; }

# A kernel without modules has everything built in: a missing module alone proves nothing.
area_modules() {
    local module
    for module in "$@"; do modprobe -q "$module" 2>/dev/null; done
    return 0
}

area_disk() { # DEVICE
    [[ -b $1 ]] || { area_missing "no disk $1"; return; }
    area_device=$1
}

area_zram_up() { # MIB
    area_modules zram
    [[ -b /dev/zram0 ]] || { area_missing "this kernel has no zram"; return; }
    echo "$1M" >/sys/block/zram0/disksize || return
    area_zram=/sys/block/zram0
    area_device=/dev/zram0
}

# The nvme disk through device mapper, as /dev/mapper/area.
area_table() { # TARGET [ARGS]: of all its sectors
    echo "0 $(blockdev --getsz /dev/nvme0n1) $*"
}

area_mapped_up() { # TARGET ARGS
    area_modules dm_mod dm_delay
    area_disk /dev/nvme0n1 || return
    # No udev in the guest: dmsetup makes the node itself.
    dmsetup create area --noudevsync --table "$(area_table "$@")" && dmsetup mknodes || return
    area_mapped=area
    area_device=/dev/mapper/area
}

area_load() { # TARGET ARGS: what the mapped device is from now on
    dmsetup load area --table "$(area_table "$@")" && dmsetup suspend --noflush --noudevsync area &&
        dmsetup resume --noudevsync area
}
area_break() { area_load error; }
area_mend() { area_load linear /dev/nvme0n1 0; }

area_file_up() { # MIB
    area_modules ext4
    area_disk /dev/nvme0n1 || return
    mkfs.ext4 -qF "$area_device" || return
    area_mount=$(mktemp -d /run/area-XXXXXX)
    mount "$area_device" "$area_mount" || return
    area_device=$area_mount/swap
    # Written in full: a swap file must have no holes.
    dd if=/dev/zero of="$area_device" bs=1M count="$1" status=none && chmod 600 "$area_device"
}

area_zswap_set() { # PARAMETER VALUE: fails where the kernel has no such parameter or value
    local file=/sys/module/zswap/parameters/$1
    [[ -w $file ]] && echo "$2" 2>/dev/null >"$file" && [[ $(<"$file") == "$2" ]]
}

# The default compressor and pool may be modules that do not exist, and the choice of pools shrank
# over time (z3fold and zbud were removed, then the parameter itself): uses the first that works.
area_zswap_up() {
    local name choice all=/sys/module/zswap/parameters
    [[ -d $all ]] || { area_missing "this kernel has no zswap"; return; }
    area_disk /dev/nvme0n1 || return
    area_modules zsmalloc zbud lzo lz4 zstd
    # Put back in this order: off before its parts change.
    for name in enabled compressor zpool; do
        [[ ! -e $all/$name ]] || area_zswap+=("$name=$(<"$all/$name")")
    done
    for choice in zsmalloc zbud; do area_zswap_set zpool $choice && break; done
    for choice in lzo lz4 zstd; do area_zswap_set compressor $choice && break; done
    area_zswap_set enabled Y || area_missing "zswap can't be enabled"
}

area_up() { # KIND [MIB]
    [[ -z $area_device ]] || { area_missing "$area_device is up already"; return; }
    case $1 in
        nvme) area_disk /dev/nvme0n1 ;;
        virtio) area_disk /dev/vda ;;
        zram) area_zram_up "${2:-512}" ;;
        file) area_file_up "${2:-512}" ;;
        zswap) area_zswap_up ;;
        slow) area_mapped_up delay /dev/nvme0n1 0 5 /dev/nvme0n1 0 0 ;;
        late) area_mapped_up delay /dev/nvme0n1 0 0 /dev/nvme0n1 0 300 ;;
        broken) area_mapped_up linear /dev/nvme0n1 0 ;;
        *) area_missing "no kind of area is called $1" ;;
    esac && mkswap -f "$area_device" &>/dev/null && swapon "$area_device" && return
    local code=$?
    area_down
    return $code
}

# Undoes area_up, even one that failed half way; harmless when nothing is up.
area_down() {
    local setting code=0
    if [[ $area_device ]] && grep -q "^$area_device " /proc/swaps; then
        swapoff "$area_device" || code=1
    fi
    for setting in "${area_zswap[@]}"; do
        area_zswap_set "${setting%%=*}" "${setting#*=}" || code=1
    done
    [[ -z $area_zram ]] || echo 1 >"$area_zram/reset" || code=1
    [[ -z $area_mapped ]] || dmsetup remove --noudevsync "$area_mapped" || code=1
    if [[ $area_mount ]]; then
        ! mountpoint -q "$area_mount" || umount "$area_mount" || code=1
        rmdir "$area_mount" || code=1
    fi
    area_device='' area_mount='' area_zram='' area_mapped='' area_zswap=()
    return $code
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    [[ $# -ge 2 ]] || { sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }
    trap area_down EXIT
    trap 'exit 143' INT TERM
    area_up "$1" || exit
    "${@:2}"
fi
