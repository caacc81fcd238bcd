# What the other scripts share: the place of the repository and of the build, and the packages of the
# operating system that the build and the tests need. Sourced, never run.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# HOLDFAST_BUILD_DIR lets several checkouts share one set of built dependencies.
BUILD_DIR=${HOLDFAST_BUILD_DIR:-$ROOT/.build}
BIN=${HOLDFAST_BIN:-$BUILD_DIR/release}

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $*"
    exit 1
}

# usage FILE: prints the comment block at the head of a script, which is its help.
usage() { sed -n '2,/^$/s/^# \{0,1\}//p' "$1"; }

# need PACKAGE...: installs those Debian packages of the list that are missing.
need() {
    local package missing=()
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' \
            || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    say "installing: ${missing[*]}"
    local as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq || die "apt-get update failed; is the network up?"
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq \
        --no-install-recommends "${missing[@]}" >/dev/null \
        || die "could not install ${missing[*]}"
}

need_toolchain() {
    command -v swift >/dev/null \
        || die "no swift in PATH: install Swift 6.2 or later from https://swift.org/install"
    need liblz4-dev libsqlite3-dev
}

# need_binaries: builds holdfastd and holdfast where they are missing.
need_binaries() {
    [ -x "$BIN/holdfastd" ] && [ -x "$BIN/holdfast" ] && return 0
    [ -z "${HOLDFAST_BIN:-}" ] || die "HOLDFAST_BIN=$BIN has no holdfastd and holdfast"
    need_toolchain
    say "building holdfastd and holdfast (the first release build takes about ten minutes) ..."
    (cd "$ROOT" && swift build -c release --scratch-path "$BUILD_DIR" --product holdfastd \
        && swift build -c release --scratch-path "$BUILD_DIR" --product holdfast) >&2
}
