#!/bin/sh
# Measures what the harness costs and the engine beside its peer, one after the other, and leaves the figures in
# bench/results/. Only an otherwise idle machine gives figures that mean something. A machine with an NVIDIA GPU measures
# that too.
#
#   bench/run.sh [BUILD]     default build/release
set -eu
cd "$(dirname "$0")/.."
build=${1:-build/release}
python=$(tools/peer-python.sh)
today=$(date +%F)
mkdir -p bench/results

"$build/bench/harness/bench_harness" | tee "bench/results/$today-harness.txt"
"$python" bench/compare_cpu.py "$build" --out "bench/results/$today-cpu.json"
"$build/bench_telemetry" --device cpu | tee "bench/results/$today-telemetry-cpu.json"
if command -v nvidia-smi >/dev/null; then tools/gpu-check.sh; fi
