#!/bin/sh
# Installs what cotenant needs from the distribution's packages: Debian 12 or newer, Ubuntu 24.04 or newer.
#
#   tools/install-deps.sh              what building, testing and plotting need
#   tools/install-deps.sh --format     also what formats the sources
#   tools/install-deps.sh --fuzz       also what fuzzes the readers of files
#   tools/install-deps.sh --browser    also what tests report.html in a browser (Debian; Ubuntu has it as a snap)
#   tools/install-deps.sh --dry-run    says what it would install, and installs nothing
#
# Does nothing, and is quick, when all is there. Needs root or sudo only when something is missing.
set -eu

base='
build-essential       compiler
cmake                 build
ninja-build           build
pkg-config            build: finds libraries
git                   build: the commit that results name
libyaml-cpp-dev       reads configurations
nlohmann-json3-dev    reads and writes JSON
libsimdjson-dev       reads large JSON quickly
libcli11-dev          command line
libfmt-dev            text
libspdlog-dev         messages
libboost-dev          statistics (Boost.Math)
libdnnl-dev           CPU engine (oneDNN)
libgtest-dev          tests
libgmock-dev          tests
libvalijson-dev       tests: judges the JSON Schema of configurations
gnuplot-nox           plots
'
format='
clang-format          formatting
'
fuzz='
clang                 fuzzing (libFuzzer)
'

browser='
chromium              tests of report.html
'

dry_run=no
list=$base
for argument in "$@"; do
  case $argument in
    --dry-run) dry_run=yes ;;
    --format) list=$list$format ;;
    --fuzz) list=$list$fuzz ;;
    --browser) list=$list$browser ;;
    -h | --help)
      sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
      exit 0
      ;;
    *)
      echo "$0: unknown option $argument (see --help)" >&2
      exit 2
      ;;
  esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "$0: this is not a Debian or Ubuntu system. Install what your system calls these, then build with CMake:" >&2
  echo "$list" | sed '/^$/d; s/^/  /' >&2
  exit 1
fi

# A program that is there without a package (a newer CMake from its makers, a container's compiler) will do.
provided() {
  case $1 in
    build-essential) command -v g++ >/dev/null && command -v make >/dev/null ;;
    cmake) command -v cmake >/dev/null ;;
    ninja-build) command -v ninja >/dev/null ;;
    git | clang | clang-format) command -v "$1" >/dev/null ;;
    pkg-config) command -v pkg-config >/dev/null ;;
    gnuplot-nox) command -v gnuplot >/dev/null ;;
    *) return 1 ;;
  esac
}

installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p')
missing=
for package in $(echo "$list" | awk 'NF { print $1 }'); do
  echo "$installed" | grep -qx "$package" || provided "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "cotenant needs these packages:" >&2
for package in $missing; do echo "$list" | awk -v p="$package" '$1 == p { print "  " $0 }' >&2; done
[ "$dry_run" = no ] || exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "$0: neither root nor sudo. Ask an administrator for: apt-get install$missing" >&2
    exit 1
  fi
  sudo=sudo
fi
install() {
  # shellcheck disable=SC2086  # one word per package
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >&2
}
# The package lists may be missing (a fresh container) or old.
install || { $sudo apt-get update >&2 && install; }
