#!/bin/sh
# Installs what cotenant needs from the distribution's packages: Debian 12 or newer, Ubuntu 24.04 or newer.
#
#   tools/install-deps.sh              what building the program needs
#   tools/install-deps.sh --test       also what the tests need, plots among it
#   tools/install-deps.sh --format     also what formats the sources
#   tools/install-deps.sh --fuzz       also what fuzzes the readers of files
#   tools/install-deps.sh --wheel      also what makes the Python wheel and tests it
#   tools/install-deps.sh --browser    also what tests report.html in a browser (Debian; Ubuntu has it as a snap)
#   tools/install-deps.sh --valgrind   also valgrind
#   tools/install-deps.sh --cluster    also what runs studies as jobs: Slurm and Open MPI
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
libpcre2-dev          patterns in the output of programs
libcli11-dev          command line
libfmt-dev            text
libspdlog-dev         messages
libcurl4-openssl-dev  servers as tenants (libcurl, opened when one is)
libboost-dev          statistics (Boost.Math)
libdnnl-dev           CPU engine (oneDNN)
'
test='
libgtest-dev          tests
libgmock-dev          tests
python3-jsonschema    tests: judges the JSON Schema of configurations
openssl               tests: certificates of a server
gnuplot-nox           plots
'
format='
clang-format          formatting
'
fuzz='
clang                 fuzzing (libFuzzer)
'
wheel='
python3-venv          wheel
debootstrap           tests of the wheel: a bare Debian
'

valgrind='
valgrind              errors of memory at run time
'
cluster='
munge                 tests of studies: Slurm
slurmctld             tests of studies: Slurm
slurmd                tests of studies: Slurm
slurm-client          tests of studies: Slurm
openmpi-bin           tests of studies: mpirun
'
browser='
chromium              tests of report.html
'

dry_run=no
list=$base
for argument in "$@"; do
  case $argument in
    --dry-run) dry_run=yes ;;
    --test) list=$list$test ;;
    --format) list=$list$format ;;
    --fuzz) list=$list$fuzz ;;
    --wheel) list=$list$wheel ;;
    --browser) list=$list$browser ;;
    --valgrind) list=$list$valgrind ;;
    --cluster) list=$list$cluster ;;
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
    python3-venv) python3 -c 'import ensurepip' 2>/dev/null ;;
    debootstrap) command -v debootstrap >/dev/null ;;
    openssl) command -v openssl >/dev/null ;;
    gnuplot-nox) command -v gnuplot >/dev/null ;;
    python3-jsonschema) python3 -c 'import jsonschema' 2>/dev/null ;;
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

# give_up WHY
give_up() {
  echo "$0: $1. What is missing: apt-get install$missing" >&2
  echo "  Without these packages: on a machine that has them, \`make wheel\` builds cotenant with all that it needs for" >&2
  echo "  \`pip install\`, which asks for no root." >&2
  exit 1
}

sudo=
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || give_up "neither root nor sudo"
  sudo=sudo
fi
install() {
  # shellcheck disable=SC2086  # one word per package
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >&2
}
# The package lists may be missing (a fresh container) or old.
install || { $sudo apt-get update >&2 && install; } || give_up "apt-get could not install them (is there a network?)"
