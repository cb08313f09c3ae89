#!/bin/sh
# tools/test-tsan.sh BUILD JOBS: builds the tests of processes and threads under the thread sanitizer and runs those that
# use the stress engine. What computes is left out: GCC's OpenMP does not tell the sanitizer how its threads wait for each
# other.
set -eu
build=$1
jobs=$2
computes='ASeedGivesTheSameNumbers|AGridOverLongPaths|RunsAModelWithoutAFile|SaysOnceThatWeightsAreRandom|TheSensitivityDemo|ShareSlots|Waits?ForABatch'

cmake --build "$build" -j "$jobs" \
  --target program test_process test_worker test_telemetry test_sharing test_driver
TSAN_OPTIONS="halt_on_error=1 ${TSAN_OPTIONS:-}" ctest --test-dir "$build" --output-on-failure -j "$jobs" \
  -L '^(process|worker|telemetry|sharing|driver)$' -E "$computes"
