#!/bin/sh
# tools/test-package.sh BUILD: unpacks the newest Debian package of BUILD and tries the program in it, from a run to its
# analysis.
set -eu
deb=$(ls -t "$1"/cotenant_*.deb | head -n 1)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
dpkg-deb -x "$deb" "$root"
cotenant=$root/usr/bin/cotenant

said=$("$cotenant" --version)
version=$(dpkg-deb -f "$deb" Version)
case $said in
  "cotenant $version "*) ;;
  *)
    echo "$deb is of version $version, its program says: $said" >&2
    exit 1
    ;;
esac
# Every library of the program is of a package that this one depends on.
[ -n "$(dpkg-deb -f "$deb" Depends)" ]

mkdir "$root/work"
cd "$root/work"
cat >pair.yaml <<'YAML'
experiment_name: pair
tenants:
  - {name: a, engine: stress, stress: {kind: sleep, service_ms: 2}, num_iters: 100}
  - {name: b, engine: stress, stress: {kind: sleep, service_ms: 3}, num_iters: 100}
YAML
"$cotenant" run pair.yaml --baselines --quiet
"$cotenant" analyze pair.yaml --json | grep -q '"slowdown_p50"'
test -f "$root/usr/share/cotenant/configs/demo/demo.yaml"
test -x "$root/usr/share/cotenant/adapters/hf_transformers.py"
echo "$(basename "$deb"): $said works"
