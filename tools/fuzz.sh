#!/bin/sh
# tools/fuzz.sh BUILD SECONDS: runs each libFuzzer target of BUILD for SECONDS, from the files that the repository has as
# seeds. Stops at the first crash; the input that caused it is then in BUILD/crashes.
set -eu
build=$1
seconds=$2
cd "$(dirname "$0")/.."

seeds() {
  case $1 in
    fuzz_yaml) find configs -name '*.yaml' ;;
    fuzz_config_json) find tests/fixtures -name 'config.json' ;;
    fuzz_safetensors) find tests/fixtures -name '*.safetensors' ;;
  esac
}

mkdir -p "$build/crashes"
for target in "$build"/fuzz/fuzz_*; do
  name=$(basename "$target")
  corpus=$build/corpus/$name
  mkdir -p "$corpus"
  number=0
  for file in $(seeds "$name"); do
    number=$((number + 1))
    cp "$file" "$corpus/seed_$number"
  done
  echo "== $name, $seconds s, $number seeds"
  "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$build/crashes/$name-" "$corpus" 2>"$build/$name.log" || {
    tail -40 "$build/$name.log" >&2
    exit 1
  }
  grep -E 'stat::number_of_executed_units|DONE' "$build/$name.log" || true
done
