#!/bin/bash
# Boots a Debian kernel in a small virtual machine and runs one command there:
#
#   guest.sh SERIES [options] -- COMMAND ARGS...
#
#   --cpus N            2 by default
#   --memory MIB        1024 by default
#   --share DIR         writable in the guest as /share; a temporary folder by default
#   --append "ARGS"     more kernel arguments, such as lockdown=confidentiality
#   --disk-swap MIB     size of the disk /dev/nvme0n1, 1024 by default, 0 for none
#   --virtio-disk MIB   adds a disk /dev/vda of that size
#   --icount            one CPU, its time tied to its instructions: repeatable timing
#   --systemd           the command is a service of a real systemd, which is process 1
#   --timeout S         600 by default
#
# The guest sees this machine's own files (a read-only share below a writable layer in memory),
# so every program here is there too; /tmp, /var/tmp and /run are its own. The command starts in
# the current folder as root, with no input; its output comes live on stdout, and its exit code
# is ours. 124: timeout. 125: the guest crashed. 75: no such kernel, or a tool is missing.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")

usage() { sed -n '2,20s/^# \{0,1\}//p' "$0" >&2; exit 2; }
skip() { echo "guest.sh: $*" >&2; exit 75; }

# Process 1 until the real root is there. The initramfs holds busybox, the modules that reach
# this machine's files, and in /job what is to be done; the rest is read from the share.
guest_init() {
    cat <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev && mount -t proc proc /proc && mount -t sysfs sys /sys
while read -r module; do insmod "/modules/$module"; done </modules/order
share() { # TAG PLACE MODE CACHE: a kernel without modules has virtiofs built in
    if [ -e /modules/9p.ko ]; then
        mount -t 9p -o "$3,cache=$4,trans=virtio,version=9p2000.L,msize=512000" "$1" "$2"
    else
        mount -t virtiofs -o "$3" "$1" "$2"
    fi
}
# Our own files in memory must not be swapped out in a test: noswap, where it is known (6.4).
memory() { # PLACE MODE
    mount -t tmpfs -o "mode=$2,noswap" tmpfs "$1" 2>/dev/null || mount -t tmpfs -o "mode=$2" tmpfs "$1"
}
# Without overlayfs: the same folders, read-only, but for some new or copied ones.
plain_root() {
    memory /new 755
    for path in /host/*; do
        name=${path#/host/}
        case $name in
            dev | proc | sys | run | tmp | mnt | media | var) mkdir "/new/$name" ;;
            etc) cp -a "$path" /new/ ;;
            *)
                if [ -L "$path" ]; then cp -a "$path" /new/
                elif [ -d "$path" ]; then mkdir "/new/$name" && mount --bind "$path" "/new/$name"
                fi ;;
        esac
    done
    mkdir /new/var/lib /new/var/log /new/var/cache
    ln -s ../run /new/var/run
}
share root /host ro loose
memory /layer 755
mkdir /layer/files /layer/work
mount -t overlay -o lowerdir=/host,upperdir=/layer/files,workdir=/layer/work root /new 2>/dev/null ||
    plain_root
for dir in dev proc sys; do mount --move /$dir /new/$dir; done
memory /new/run 755
cp -r /job /new/run/guest
mkdir -p /new/run/lock /new/share /new/tmp /new/var/tmp
share share /new/share rw mmap
modules=lib/modules/$(uname -r)
[ ! -e /modules/9p.ko ] || { mkdir -p "/new/$modules" && mount --bind "/host$(cat /job/kernel)/$modules" "/new/$modules"; }
memory /new/tmp 1777
memory /new/var/tmp 1777
# A current folder below one of these would be hidden now.
cwd=$(cat /job/cwd)
[ -d "/new$cwd" ] || { mkdir -p "/new$cwd" && mount --bind "/host$cwd" "/new$cwd"; }
ifconfig lo up
hostname guest
exec switch_root /new /bin/bash /run/guest/main
INIT
}

# Process 1 after that. With systemd in its place, this is a service too, `main service`: systemd has
# mounted most of it then. Units that are of no use here, or slow, are masked.
guest_main() {
    cat <<'MAIN'
become_systemd() {
    local units=/etc/systemd/system unit
    for unit in systemd-{tmpfiles-setup{,-dev},udevd,udev-trigger,remount-fs,random-seed,update-utmp}.service \
        systemd-{sysusers,hwdb-update,journal-catalog-update,machine-id-commit,timesyncd}.service \
        systemd-udevd-{control,kernel}.socket apparmor.service; do
        ln -sfn /dev/null "$units/$unit"
    done
    : >/etc/fstab
    printf '%s\n' '[Unit]' 'Requires=guest.service' >"$units/guest.target"
    printf '%s\n' '[Service]' Type=oneshot TimeoutStartSec=infinity \
        'ExecStart=/bin/bash /run/guest/main service' >"$units/guest.service"
    exec /lib/systemd/systemd --unit=guest.target
}
set_up() {
    mkdir -p /dev/pts /dev/shm
    ln -sfn /proc/self/fd /dev/fd
    ln -sfn fd/0 /dev/stdin && ln -sfn fd/1 /dev/stdout && ln -sfn fd/2 /dev/stderr
    mount -t devpts -o ptmxmode=666,gid=5,mode=620 devpts /dev/pts
    mount -t tmpfs -o mode=1777 shm /dev/shm
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    [[ ! -e /run/guest/systemd ]] || become_systemd
    mount -t bpf -o mode=700 bpf /sys/fs/bpf
    mount -t securityfs securityfs /sys/kernel/security
    mount -t debugfs debugfs /sys/kernel/debug
    mount -t tracefs tracefs /sys/kernel/tracing
    for controller in cpu io memory pids; do
        echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
    done
}
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root USER=root SHELL=/bin/bash TERM=dumb LANG=C.UTF-8
[[ ${1-} == service ]] || set_up
for module in virtio_console nvme virtio_blk; do modprobe -q "$module"; done
for device in $(</run/guest/devices); do
    for ((i = 0; i < 50; i++)); do [[ -e $device ]] && break; sleep 0.1; done
done
# Through a pipe, since a port can be opened only once and the command may reopen its stdout.
mkfifo /run/output
cat /run/output >/dev/vport0p1 &
bash /run/guest/command </dev/null >/run/output 2>&1
code=$?
# A process left behind may keep the pipe open: wait for the end of the output, but not for long.
for ((i = 0; i < 20; i++)); do kill -0 $! 2>/dev/null && sleep 0.1; done
# Power off asks no process and syncs no disk. This script must not end before the power does.
{ echo $code >/dev/vport0p2; echo o >/proc/sysrq-trigger; read -rt 60 <>/run/output; }
MAIN
}

# Writes the initramfs: small, and made in a moment.
initramfs() {
    local tree=$work/tree release path
    release=$(<"$kernel/release")
    mkdir -p "$tree"/{bin,modules,dev,proc,sys,host,layer,new}
    cp "$(command -v busybox)" "$tree/bin/busybox"
    guest_init >"$tree/init"
    chmod 755 "$tree/init"
    { modprobe -d "$kernel" -S "$release" -aD virtio_pci 9pnet_virtio 9p overlay 2>/dev/null || true; } |
        awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
        while read -r path; do
            cp "$path" "$tree/modules/"
            basename "$path"
        done >"$tree/modules/order"
    cp -r "$work/job" "$tree/job"
    (cd "$tree" && find . | cpio --quiet -o -H newc) >"$work/initramfs"
}

cpus=2 memory=1024 share='' append='' disk_swap=1024 virtio_disk=0 timeout=600 systemd=''
accel=(-accel "tcg,thread=single")
# Without what takes an emulator long: copies by `rep movsb`, a fifth level of page tables, and a change of the
# MMU's state around each copy from user space. A guest takes three quarters of the time.
readonly cpu=max,-la57,-smap,-smep,-pku,-erms,-fsrm
[[ $# -gt 0 && $1 != -* ]] || usage
series=$1
shift
while [[ ${1-} != -- ]]; do
    [[ ${1-} == --icount || ${1-} == --systemd || $# -ge 2 ]] || usage
    case $1 in
        --icount) accel=(-accel tcg -icount "shift=1,sleep=off") ;;
        --systemd) systemd=1 ;;
        --cpus) cpus=$2 ;;
        --memory) memory=$2 ;;
        --share) share=$(readlink -e "$2") || skip "no folder $2" ;;
        --append) append=$2 ;;
        --disk-swap) disk_swap=$2 ;;
        --virtio-disk) virtio_disk=$2 ;;
        --timeout) timeout=$2 ;;
        *) usage ;;
    esac
    [[ $1 == --icount || $1 == --systemd ]] || shift
    shift
done
shift
[[ $# -gt 0 ]] || usage
[[ ${accel[*]} == *icount* ]] && cpus=1

for tool in qemu-system-x86_64 busybox cpio modprobe; do
    command -v "$tool" >/dev/null || skip "$tool is missing"
done
kernel=$("$here/kernels.sh" get "$series") # exits 75 by itself if there is none
kernel=$(readlink -f "$kernel")

work=$(mktemp -d "${TMPDIR:-/var/tmp}/guest-XXXXXX")
started=()
# shellcheck disable=SC2317  # called by the trap
finish() {
    trap '' INT TERM
    [[ ${#started[@]} == 0 ]] || kill "${started[@]}" 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

args=()
shared_9p() { # TAG DIR OPTIONS
    args+=(-fsdev "local,id=$1,path=${2//,/,,},security_model=none,multidevs=remap$3"
        -device "virtio-9p-pci,fsdev=$1,mount_tag=$1")
}

# For a kernel without modules. virtiofsd has no read-only mode, so it gets a read-only view, on
# /mnt in a mount namespace of its own.
shared_virtiofs() { # TAG DIR READ-ONLY
    local daemon=/usr/lib/qemu/virtiofsd tries
    [[ -x $daemon ]] || skip "$daemon is missing"
    # shellcheck disable=SC2016  # for the inner shell
    unshare -m --propagation private sh -ec 'mount --rbind "$1" /mnt
        [ -z "$2" ] || mount -o remount,bind,ro /mnt
        exec "$3" --socket-path="$4" -o source=/mnt,cache=auto --rlimit-nofile=0' \
        - "$2" "$3" "$daemon" "$work/$1.socket" >"$work/$1.log" 2>&1 &
    started+=($!)
    for ((tries = 0; tries < 50; tries++)); do [[ -S $work/$1.socket ]] && break; sleep 0.1; done
    [[ -S $work/$1.socket ]] || skip "virtiofsd: $(tail -n1 "$work/$1.log")"
    args+=(-chardev "socket,id=$1,path=${work//,/,,}/$1.socket"
        -device "vhost-user-fs-pci,chardev=$1,tag=$1")
}

disk() { # MIB DEVICE-NODE QEMU-DEVICE: a sparse file, so that only what is swapped takes space
    [[ $1 -gt 0 ]] || return 0
    truncate -s "$1M" "$work/$3"
    args+=(-drive "if=none,id=$3,file=${work//,/,,}/$3,format=raw,cache=unsafe,discard=unmap"
        -device "$3,drive=$3,serial=swap")
    echo "$2" >>"$work/job/devices"
}

mkdir "$work/job" "$work/share"
guest_main >"$work/job/main"
echo "$kernel" >"$work/job/kernel"
pwd -P >"$work/job/cwd"
echo /dev/vport0p1 >"$work/job/devices"
[[ ! $systemd ]] || : >"$work/job/systemd"
{ printf 'cd %q\nexec' "$(pwd -P)"; printf ' %q' "$@"; echo; } >"$work/job/command"

if [[ $(find "$kernel/lib" -name 9p.ko) ]]; then
    shared_9p root / ,readonly=on
    shared_9p share "${share:-$work/share}" ''
else
    shared_virtiofs root / read-only
    shared_virtiofs share "${share:-$work/share}" ''
fi
disk "$disk_swap" /dev/nvme0n1 nvme
disk "$virtio_disk" /dev/vda virtio-blk-pci
initramfs

# QEMU would make our caller's stdout non-blocking: it gets a pipe of its own.
exec 3> >(exec cat)
printer=$!
timeout -k 5 "$timeout" qemu-system-x86_64 "${accel[@]}" -cpu "$cpu" -smp "$cpus" -m "$memory" \
    -object "memory-backend-memfd,id=memory,size=${memory}M,share=on" -machine memory-backend=memory \
    -nodefaults -no-user-config -no-reboot -display none -nic none \
    -kernel "$kernel/vmlinuz" -initrd "$work/initramfs" \
    -append "console=ttyS0 quiet panic=-1 oops=panic mitigations=off no_timer_check $append" \
    -serial "file:$work/console" -device virtio-serial-pci \
    -add-fd fd=3,set=1 -chardev file,id=output,path=/dev/fdset/1,append=on \
    -device virtserialport,nr=1,chardev=output \
    -chardev "file,id=code,path=${work//,/,,}/code" -device virtserialport,nr=2,chardev=code \
    "${args[@]}" </dev/null >"$work/qemu" 2>&1 &
qemu=$!
started+=("$qemu")
exec 3>&-
ended=0
wait "$qemu" || ended=$?
wait "$printer" || true

[[ -s $work/code ]] && exit "$(<"$work/code")"
cat "$work/qemu" >&2
tail -n 40 "$work/console" >&2 || true
if [[ $ended == 124 ]]; then
    echo "guest.sh: $series timed out after $timeout s" >&2
    exit 124
fi
echo "guest.sh: $series ended without a result" >&2
exit 125
