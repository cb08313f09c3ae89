#!/bin/sh
# Compares cotenant with Transformers on real weights, and its adapter for it with Transformers itself: `make test-real`.
set -eu
cd "$(dirname "$0")/.."
python=$(tools/peer-python.sh)
"$python" tools/fetch_real_models.py build/real-models
"$python" tools/compare_real.py --cotenant "${COTENANT:-build/release/cotenant}" build/real-models/*/
"$python" tools/compare_external.py --cotenant "${COTENANT:-build/release/cotenant}"
