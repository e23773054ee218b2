#!/bin/bash
# Debian's own kernels, one per series, for the guests of guest.sh.
#
#   kernels.sh list          the series we test on
#   kernels.sh get SERIES    make sure it is in the cache, print its folder
#
# A kernel's folder holds `vmlinuz`, `release` (what uname -r will say), `btf` (raw, as in
# /sys/kernel/btf/vmlinux) and `lib/modules/RELEASE` (only the modules below, uncompressed).
# Kernels are downloaded and unpacked, never installed, with an apt state of our own: the
# machine's sources are read to learn where its archive is, and never written.
# Exit code 75 (EX_TEMPFAIL): this series can't be had here; the reason is on stderr.
set -euo pipefail
shopt -s nullglob

readonly SERIES=(5.10 6.1 6.12 6.16 6.17 6.18 6.19 7.0 7.1 7.2 7.3)
readonly CACHE=${SWAPTRAIL_CACHE:-$HOME/.cache/swaptrail}
readonly KERNELS=$CACHE/kernels APT=$CACHE/apt

# Where they live. The security suites have an archive of their own.
readonly SUITES=(bookworm trixie trixie-backports)
readonly SECURITY_SUITES=(bullseye-security bookworm-security trixie-security)

# Kept from each kernel, with all they depend on. A name that a kernel lacks (built in, or gone
# like z3fold) is no error. The first line boots a guest; then swap devices, then zswap's parts.
readonly MODULES=(virtio_pci virtio_console 9p 9pnet_virtio overlay af_packet
    nvme virtio_blk zram loop null_blk brd ext4 dm_mod dm_flakey dm_delay dm_crypt
    zsmalloc zbud z3fold lz4 lz4hc lzo lzo-rle zstd deflate 842 crc32c crc32c_generic crc32c_intel)

log() { echo "kernels.sh: $*" >&2; }
skip() { log "$*"; exit 75; }

# Addresses of the Debian archive this machine uses, for suites that match the pattern $1.
# apt itself reads its configuration, so both formats of sources, and mirrors, are understood.
archive() {
    # shellcheck disable=SC2016  # apt fills these in, not the shell
    apt-get indextargets --format '$(RELEASE) $(REPO_URI)' \
        'Created-By: Packages' 'Origin: Debian' 'Component: main' |
        awk -v want="$1" '$1 ~ want { print $2; exit }'
}

private_apt() { # TOOL ARGS...: apt-get or apt-cache on our own sources, lists and cache
    local tool=$1
    shift
    "$tool" -q -o Dir::Etc::sourcelist="$APT/sources.list" -o Dir::Etc::sourceparts=- \
        -o Dir::State::lists="$APT/lists" -o Dir::State::status=/dev/null \
        -o Dir::Cache="$APT/cache" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
        -o Acquire::Languages=none -o Acquire::GzipIndexes=true \
        -o APT::Architecture=amd64 -o APT::Architectures=amd64 -o APT::Sandbox::User=root "$@"
}

write_sources() {
    local main security suite options=
    main=$(archive '^[a-z]+$')
    security=$(archive '-security$')
    [[ $main && $security ]] || skip "no Debian archive in this machine's apt configuration"
    local keys=/usr/share/keyrings/debian-archive-keyring.gpg
    [[ -r $keys ]] && options="[signed-by=$keys] "
    for suite in "${SUITES[@]}"; do echo "deb $options$main $suite main"; done
    for suite in "${SECURITY_SUITES[@]}"; do echo "deb $options$security $suite main"; done
}

# The package lists, at most a day old. A suite that has left the archive costs only its series.
refresh_lists() {
    [[ $(find "$APT/fresh" -mtime -1 2>/dev/null) ]] && return
    mkdir -p "$APT/lists/partial" "$APT/cache/archives/partial"
    write_sources >"$APT/sources.list.new"
    mv "$APT/sources.list.new" "$APT/sources.list"
    if private_apt apt-get update >"$APT/log" 2>&1; then
        touch "$APT/fresh"
    else
        log "some package lists are missing: $(grep -m1 '^[EW]:' "$APT/log" || true)"
    fi
}

images() { # SERIES FLAVOUR: names of the image packages, the newest first
    private_apt apt-cache pkgnames "linux-image-$1" |
        grep -E "^linux-image-${1//./\\.}([.+~][0-9a-z.+~]*(-[0-9]+)?)?-$2$" | sort -rV || true
}

# From 6.18 on a package of its own lists the built-in modules; from 6.19 on the image package
# is empty and depends on its parts. Those that the archive no longer has are printed in <>.
image_parts() {
    echo "$1"
    private_apt apt-cache depends "$1" |
        awk '$2 ~ /^<?linux-(base|binary|modules)-[0-9]/ { print $2 }' | sort -u
}

# The newest whole amd64 image. For a series that the archive keeps only in part (the kernel, but
# not its modules), the cloud flavour, which has nvme, ext4 and virtiofs built in.
choose_image() { # SERIES
    local image
    for image in $(images "$1" amd64); do
        image_parts "$image" | grep -q '<' || { echo "$image"; return; }
    done
    images "$1" cloud-amd64 | sed -n 1p
}

download() { # IMAGE INTO: unpacks all parts of the image package into a folder
    local parts deb
    mapfile -t parts < <(image_parts "$1" | grep -v '<')
    mkdir -p "$2/debs" "$2/root"
    (cd "$2/debs" && private_apt apt-get -qq download "${parts[@]}") >&2 ||
        skip "can't download ${parts[*]}"
    for deb in "$2"/debs/*.deb; do dpkg-deb -x "$deb" "$2/root"; done
    rm -r "$2/debs"
}

# VMLINUZ VMLINUX: undoes the boot image. Its header says where the compressed ELF file lies
# (Documentation/arch/x86/boot.rst); all but gzip are followed by 4 bytes of length.
decompress() {
    local setup_sects offset length magic
    setup_sects=$(od -An -tu1 -j$((0x1f1)) -N1 "$1")
    offset=$(($(od -An -tu4 -j$((0x248)) -N4 "$1") + (setup_sects + 1) * 512))
    length=$(od -An -tu4 -j$((0x24c)) -N4 "$1")
    magic=$(od -An -tx1 -j"$offset" -N4 "$1" | tr -d ' ')
    local tool cut=4
    case $magic in
        fd377a58) tool=xz ;;
        28b52ffd) tool=zstd ;;
        02214c18) tool=lz4 ;;
        1f8b*) tool=gzip cut=0 ;;
        *) skip "unknown kernel compression ($magic)" ;;
    esac
    dd if="$1" bs=1M iflag=skip_bytes,count_bytes skip="$offset" count=$((length - cut)) \
        status=none | "$tool" -dc >"$2"
}

extract_btf() { # VMLINUZ BTF
    local work=$2.work
    mkdir "$work"
    decompress "$1" "$work/vmlinux"
    objcopy --dump-section ".BTF=$2" "$work/vmlinux" "$work/copy"
    rm -r "$work"
    [[ -s $2 ]] || skip "no BTF in $1"
}

# FROM RELEASE INTO: copies what MODULES names, and what those need, and uncompresses it.
pick_modules() {
    local name path from=$1 release=$2 into=$3/lib/modules/$2
    mkdir -p "$into"
    # modprobe looks below lib/modules; newer packages ship usr/lib/modules.
    [[ -d $from/lib/modules ]] || ln -s usr/lib "$from/lib"
    [[ -d $from/lib/modules/$release ]] || { log "no modules for $release"; return; }
    depmod -b "$from" "$release"
    cp "$from/lib/modules/$release"/modules.{builtin,builtin.modinfo,order} "$into/"
    for name in "${MODULES[@]}"; do
        modprobe -d "$from" -S "$release" -D "$name" 2>/dev/null || true
    done | awk '$1 == "insmod" { print $2 }' | sort -u | while read -r path; do
        install -D -m 644 -t "$into/$(dirname "${path#*/lib/modules/"$release"/}")" "$path"
    done
    find "$into" -name '*.ko.xz' -exec xz -d {} +
    find "$into" -name '*.ko.zst' -exec zstd -q -d --rm {} +
    depmod -b "$3" "$release"
}

# Builds a series' folder beside its final place and renames it, so that it exists whole or not.
build() { # SERIES
    local image release
    refresh_lists
    image=$(choose_image "$1")
    [[ $image ]] || skip "no kernel $1 in the archive"
    log "getting $image"
    release=${image#linux-image-}
    work=$(mktemp -d "$KERNELS/.new-XXXXXX")
    trap 'rm -rf "$work"' EXIT
    download "$image" "$work"
    mkdir "$work/kernel"
    # /boot/vmlinuz-RELEASE, or from 7.0 on /usr/lib/modules/RELEASE/vmlinuz.
    find "$work/root" -name 'vmlinuz*' -exec mv {} "$work/kernel/vmlinuz" \;
    echo "$release" >"$work/kernel/release"
    extract_btf "$work/kernel/vmlinuz" "$work/kernel/btf"
    pick_modules "$work/root" "$release" "$work/kernel"
    recipe >"$work/kernel/recipe"
    chmod 755 "$work/kernel"
    rm -rf "${KERNELS:?}/$1"
    mv "$work/kernel" "$KERNELS/$1"
}

# What a cached folder was made from: a longer list of modules means fetching it again.
recipe() { printf '%s\n' "${MODULES[@]}"; }

get() { # SERIES
    [[ " ${SERIES[*]} " == *" $1 "* ]] || skip "unknown series $1"
    mkdir -p "$KERNELS" "$APT"
    exec 9>"$CACHE/lock"
    flock 9
    cmp -s <(recipe) "$KERNELS/$1/recipe" || build "$1"
    echo "$KERNELS/$1"
}

case ${1-} in
    list) echo "${SERIES[*]}" ;;
    get) get "${2:?get SERIES}" ;;
    *) sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
