#!/bin/sh
# Runs the libFuzzer targets of a build, several at once, from the files that the repository has as seeds.
#
#   tools/fuzz.sh BUILD [SECONDS]      each target of BUILD/fuzz for SECONDS (60), JOBS (all processors) at once
#   tools/fuzz.sh --bundle BUILD DIR   copies the targets, stripped, with their seeds and libraries and this script to DIR,
#                                      for a machine without them: there, DIR/fuzz.sh DIR SECONDS
#
# An input that crashes, takes over a second or more than 256 MiB is a fault: it is then in BUILD/crashes, and the exit
# status is 1. The 256 MiB are those of the whole process: what the address sanitizer adds and the corpus (about 90 MiB)
# count too.
set -eu

seeds_of() {
  case $1 in
    fuzz_yaml) find configs -name '*.yaml' ;;
    fuzz_config_json) find tests/fixtures -name 'config.json' ;;
    fuzz_safetensors) find tests/fixtures -name '*.safetensors' -size -40k ;;
    fuzz_index) find tests/fixtures -name '*.index.json' ;;
  esac
  find "tests/fuzz/seeds/$1" -type f 2>/dev/null || true
}

# BUILD/fuzz/seeds/TARGET/*: from the repository, where this script lies in one.
collect_seeds() {
  repository=$(dirname "$0")/..
  [ -d "$repository/tests/fuzz" ] || return 0
  for target in "$1"/fuzz/fuzz_*; do
    name=$(basename "$target")
    mkdir -p "$1/fuzz/seeds/$name"
    (cd "$repository" && seeds_of "$name" | while read -r file; do
      cp "$file" "$1/fuzz/seeds/$name/$(echo "$file" | tr / _)"
    done)
  done
}

bundle() {
  build=$(realpath "$1")
  mkdir -p "$2/fuzz/lib"
  directory=$(realpath "$2")
  collect_seeds "$build"
  cp -r "$build/fuzz/seeds" "$directory/fuzz"
  cp "$0" "$directory/fuzz.sh"
  for target in "$build"/fuzz/fuzz_*; do
    strip --strip-debug -o "$directory/fuzz/$(basename "$target")" "$target"
    # What every Linux has, in a version of its own that is at least ours, stays behind.
    ldd "$target" | awk '$2 == "=>" && $3 ~ /^\// && $1 !~ /^lib(c|m|dl|rt|pthread|resolv|stdc\+\+|gcc_s)\.so/ { print $3 }'
  done | sort -u | while read -r library; do cp -L "$library" "$directory/fuzz/lib/"; done
  du -sh "$directory"
}

# One target; its last lines only where it found something.
run_one() {
  target=$1 name=$(basename "$1")
  corpus=$build/corpus/$name
  mkdir -p "$corpus"
  scratch=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)  # in memory: some targets write a file for each input
  status=0
  LD_LIBRARY_PATH=$build/fuzz/lib TMPDIR=$scratch ASAN_OPTIONS=quarantine_size_mb=16:allocator_release_to_os_interval_ms=500 \
    "$target" -max_total_time="$seconds" -timeout=1 -rss_limit_mb=256 -print_final_stats=1 \
    -artifact_prefix="$build/crashes/$name-" "$corpus" "$build/fuzz/seeds/$name" 2>"$build/$name.log" || status=$?
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$name.log")
  peak=$(sed -n 's/^stat::peak_rss_mb: *//p' "$build/$name.log")
  echo "$name: ${runs:-?} inputs, ${peak:-?} MiB at most, exit status $status"
  rm -rf "$scratch"
  [ "$status" = 0 ] || {
    tail -40 "$build/$name.log" >&2
    return 1
  }
}

case ${1:-} in
  --bundle) bundle "$2" "$3" ;;
  --one)
    build=$2 seconds=$3
    run_one "$4"
    ;;
  '' | -*)
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
  *)
    build=$(realpath "$1")
    seconds=${2:-60}
    collect_seeds "$build"
    mkdir -p "$build/crashes"
    echo "== each for $seconds s"
    # xargs goes on after a target that fails, and ends with 123 then.
    find "$build/fuzz" -maxdepth 1 -name 'fuzz_*' | sort | xargs -n 1 -P "${JOBS:-$(nproc)}" "$0" --one "$build" "$seconds"
    ;;
esac
