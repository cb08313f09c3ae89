#!/bin/sh
# tools/test-tsan.sh BUILD JOBS: runs the tests of processes and threads that use the stress engine in a build under the
# thread sanitizer. What computes is left out: GCC's OpenMP does not tell the sanitizer how its threads wait for each
# other.
set -eu
build=$1
jobs=$2
computes='ASeedGivesTheSameNumbers|AGridOverLongPaths|RunsAModelWithoutAFile|SaysOnceThatWeightsAreRandom|TheSensitivityDemo|ShareSlots|Waits?ForABatch'

TSAN_OPTIONS="halt_on_error=1 ${TSAN_OPTIONS:-}" ctest --test-dir "$build" --output-on-failure -j "$jobs" \
  -L '^(process|worker|telemetry|sharing|driver)$' -E "$computes"
