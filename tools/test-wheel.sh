#!/bin/sh
# Tests a wheel as somebody without root uses it: in a bare Debian 12, as an ordinary user who can write below the home
# directory and nowhere else, without a compiler, gnuplot or any package of cotenant's.
#
#   tools/test-wheel.sh [WHEEL [SCRATCH]]      default: build/wheel/cotenant-*.whl and build/wheel-test
#
# Needs root, for the bare system's sake, and debootstrap. The bare system is made once and kept in SCRATCH.
set -eu
cd "$(dirname "$0")/.."
wheel=$(realpath "${1:-$(echo build/wheel/cotenant-*.whl)}")
scratch=${2:-build/wheel-test}
mkdir -p "$scratch"
scratch=$(realpath "$scratch")
root=$scratch/root

if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null; then
  echo "$0: needs root and debootstrap (apt-get install debootstrap)" >&2
  exit 1
fi
if ! [ -e "$scratch/root-is-complete" ]; then
  rm -rf "$root"
  debootstrap --variant=minbase --include=python3-venv bookworm "$root" >"$scratch/debootstrap.log" 2>&1 || {
    tail -5 "$scratch/debootstrap.log" >&2
    exit 1
  }
  umount "$root/proc" 2>/dev/null || true
  rm -rf "$root"/var/cache/apt/archives/*.deb
  touch "$scratch/root-is-complete"
fi

# What the module and its tests need of PyPI is fetched here, so that the bare system needs no network.
python=$(chroot "$root" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
platforms=
for glibc in 2_36 2_34 2_28 2_27 2_26 2_24 2_17; do platforms="$platforms --platform manylinux_${glibc}_x86_64"; done
# shellcheck disable=SC2086  # options are words
[ -e "$scratch/wheels/fetched" ] || {
  python3 -m pip --quiet --disable-pip-version-check download --dest "$scratch/wheels" --only-binary :all: $platforms \
    --platform manylinux2014_x86_64 --python-version "$python" 'pandas>=1.5' pytest
  touch "$scratch/wheels/fetched"
}

home=$root/home/user
rm -rf "$home"
mkdir -p "$home/wheels" "$home/work"
cp "$scratch"/wheels/*.whl "$wheel" "$home/wheels"
cp -r tests/python "$home/tests"
chown -R 1000:1000 "$home"
chmod 755 "$root/tmp" "$root/var/tmp"

cat >"$root/test-wheel" <<'IN_THE_BARE_SYSTEM'
set -eux
cd ~/work
refused() { if "$@"; then echo "test-wheel: should have failed: $*" >&2; exit 1; fi; }  # `!` would be no failure to set -e
for place in / /tmp /var/tmp /usr /dev/shm; do refused touch "$place/x"; done
python3 -m venv ~/venv
mkdir ~/pip && TMPDIR=$HOME/pip ~/venv/bin/pip --quiet --disable-pip-version-check install --no-index --find-links ~/wheels cotenant pytest
PATH=$HOME/venv/bin:$PATH
cotenant --version
# What is not the C and C++ libraries of the system is the wheel's own.
ldd "$(command -v cotenant)" >linked
refused grep 'not found' linked
awk '$3 ~ "^/" && $3 !~ "^/home/user/venv/" { print $1 }' linked >of-the-system
refused grep -Ev '^(libc|libm|libstdc\+\+|libgcc_s|libpthread|libdl|librt)\.so' of-the-system
grep libc.so of-the-system
find ~/venv -path '*cotenant*/licenses/*' -name '*.txt' | sort
test -s "$(find ~/venv -path '*cotenant*/licenses/*' -name 'libdnnl2.txt')"
for file in cotenant/adapters/hf_transformers.py man/man1/cotenant.1 bash-completion/completions/cotenant zsh/site-functions/_cotenant; do
  test -s ~/venv/share/$file
done
cotenant doctor
cotenant doctor | grep '+ cpu'
cotenant run ~/venv/share/cotenant/configs/demo/demo.yaml --baselines --set min_duration_s=2 --set warmup_s=0.5 || test $? = 4
cotenant analyze data/demo >/dev/null 2>said || { cat said; exit 1; }
grep 'no gnuplot' said
test -s plots/demo/report.html
cd ~ && python -m pytest -q -p no:cacheprovider tests
python -c 'import cotenant; run = cotenant.load("work/data/demo"); print(run.events.groupby("tenant").latency_ms.median())'
IN_THE_BARE_SYSTEM
# Mounts of a namespace of its own, which go with it, whatever happens.
unshare --mount --pid --fork --kill-child sh -c '
  mount -t proc proc "$0/proc"
  mount -t tmpfs -o mode=755 tmpfs "$0/dev"
  for device in null zero full random urandom; do touch "$0/dev/$device" && mount --bind "/dev/$device" "$0/dev/$device"; done
  mkdir -m 755 "$0/dev/shm"
  chroot --userspec=1000:1000 "$0" env -i HOME=/home/user PATH=/usr/bin:/bin LANG=C.UTF-8 sh /test-wheel' "$root"
# pip keeps to the name of the wheel: an older glibc is refused.
if python3 -m pip --disable-pip-version-check download --quiet --no-deps --no-index --dest "$scratch/refused" --only-binary :all: \
  --platform manylinux_2_35_x86_64 --python-version "$python" "$wheel" 2>"$scratch/refused.log"; then
  echo "$0: pip takes the wheel for glibc 2.35" >&2
  exit 1
fi
grep 'not a supported wheel' "$scratch/refused.log"
echo "test-wheel: passed"
