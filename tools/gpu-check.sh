#!/bin/sh
# Builds the CUDA engine for this machine's own GPU with what the machine has, runs its tests, the sanitizers and the
# benchmark, and leaves a JSON and a table under OUT. Exit code 0: everything that could be run passed.
#
#   tools/gpu-check.sh [BUILD [OUT]]        default: build/gpu and bench/results
#
# Environment: CHECKS, some of "tests fresh sanitize bench" (default: all), PYTHON (of the peer and of fresh models;
# default python3), BENCH_OPTIONS (of bench/compare_cuda.py).
set -u
cd "$(dirname "$0")/.." || exit 1
build=${1:-build/gpu}
out=${2:-bench/results}
checks=${CHECKS:-tests fresh sanitize bench}
python=${PYTHON:-python3}
failed=""
skipped=""

step() { # step NAME COMMAND...: runs it and remembers a failure
  name=$1
  shift
  echo "== $name" >&2
  "$@" || failed="$failed $name"
}
skip() { # skip WHAT WHY: said at once and at the end
  echo "== $1: skipped, $2" >&2
  skipped="$skipped $1"
}
wanted() { case " $checks " in *" $1 "*) true ;; *) false ;; esac; }

capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1 | tr -d .)
if [ -z "$capability" ]; then
  echo "gpu-check: no NVIDIA GPU here (nvidia-smi names none)" >&2
  exit 77
fi
engine_only=OFF
if ! pkg-config --exists simdjson yaml-cpp; then
  engine_only=ON
  skip "sharing and telemetry" "simdjson or yaml-cpp is missing (tools/install-deps.sh)"
fi

cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CUDA_ARCHITECTURES="$capability" -DCOTENANT_CUDA=ON \
  -DCOTENANT_ENGINE_ONLY=$engine_only || exit 1
cmake --build "$build" --parallel --target test_cuda bench_cuda_engine bench_cuda_floor cotenant_cuda || exit 1

if wanted fresh && ! "$python" -c 'import torch, transformers' 2>/dev/null; then
  skip "fresh models" "$python has no torch or no transformers"
elif wanted fresh; then
  fresh=$(mktemp -d)
  trap 'rm -rf "$fresh"' EXIT
  step fresh-models "$python" tools/make_fresh_models.py "$fresh"
  COTENANT_FRESH_MODELS=$fresh
  export COTENANT_FRESH_MODELS
fi
if wanted tests; then
  step tests "$build/test_cuda" --gtest_brief=1 --gtest_filter='-KernelRecorder*'
  step recorder "$build/test_cuda" --gtest_brief=1 --gtest_filter='KernelRecorder*' # before anything else calls CUDA
fi
if [ $engine_only = OFF ]; then
  cmake --build "$build" --parallel --target cotenant test_driver test_telemetry bench_telemetry || exit 1
  if wanted tests; then
    step telemetry "$build/tests/telemetry/test_telemetry" --gtest_brief=1
    step sharing "$build/test_driver" --gtest_brief=1 --gtest_filter='GpuSharing*:GpuBound*:*SamplesTheGpu*'
  fi
  wanted bench && step sharing-bench "$python" bench/compare_sharing.py --build "$build" --out "$out" --python "$python"
  wanted bench && step telemetry-cost sh -c '"$0/bench_telemetry" >"$1/$(date +%F)-telemetry.json"' "$build" "$out"
fi
if wanted sanitize && ! command -v compute-sanitizer >/dev/null; then
  skip "sanitizers" "there is no compute-sanitizer"
elif wanted sanitize; then
  # Our own kernels, in tests that launch each of them; the library's are not ours to check. After the tests, whose plans
  # are then in the cache: to tune under a sanitizer would take hours.
  sanitize() { # sanitize NAME TOOL KERNELS FILTER
    step "$1" compute-sanitizer --tool "$2" --kernel-name kns="$3" --error-exitcode 9 "$build/test_cuda" --gtest_brief=1 \
      --gtest_filter="$4"
  }
  passes='*CudaDecoder.GreedyTokensAreTransformers/*'
  sanitize memcheck memcheck cotenant "OpsTest.*:Attention*:Gemv*:ProductTest.*Gates*:ProductTest.EveryWayAdds:$passes"
  # racecheck is some hundred times slower, and fails by itself ("Internal Sanitizer Error") on product_hopper.cu, whose
  # blocks write to each other's shared memory.
  sanitize racecheck-ops racecheck cotenant 'OpsTest.*:AttentionPrefillTest.GroupedHeads'
  sanitize racecheck-attention racecheck attention_mma AttentionPrefillTest.EveryKernel
  sanitize racecheck-decode racecheck cotenant \
    'AttentionDecodeTest.EveryNumberOfRowsAndGroup:AttentionDecodeTest.TransformsHeadsOnTheWay:GemvTest.NormsItsInput'
  sanitize racecheck-passes racecheck cotenant "$passes"
fi
# shellcheck disable=SC2086  # options are words
wanted bench && step bench "$python" bench/compare_cuda.py --build "$build" --out "$out" --python "$python" ${BENCH_OPTIONS:-}

if [ -n "$failed" ]; then
  echo "gpu-check: failed:$failed" >&2
  exit 1
fi
if [ -n "$skipped" ]; then
  echo "gpu-check: passed, but for what was skipped:$skipped" >&2
else
  echo "gpu-check: all passed" >&2
fi
