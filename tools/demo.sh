#!/bin/sh
# The demo. Without a GPU: three tenants on the CPU, each alone and all together. With one: two small models and a large one
# alone, then together under time slicing, under MPS, and under MPS with shares, compared in one table.
#
#   tools/demo.sh [COTENANT]        default: build/release/cotenant; results go below data/
set -eu
cotenant=$(realpath "${1:-build/release/cotenant}")
configs=$(realpath "$(dirname "$0")/../configs/demo")

# A run that is not valid has results all the same, and says why it is not.
run() { "$cotenant" run "$@" || [ $? = 4 ]; }
look() { echo "The report: $cotenant analyze $1, then open $2/report.html in a browser."; }

if ! "$cotenant" doctor | grep -q '+ cuda:0 '; then
  run "$configs/demo.yaml" --baselines
  look data/demo plots/demo
  exit 0
fi

out=data/demo_gpu
share() { # share NAME MODE [OPTION...]
  name=$1 mode=$2
  shift 2
  run "$configs/demo_gpu.yaml" --baselines --out "$out/$name" --set "experiment_name=$name" --set "sharing.mode=$mode" \
    "$@" >/dev/null
}
share timeslice timeslice
share mps mps
share mps_shares mps --set tenants.0.sm_percent=25 --set tenants.1.sm_percent=25 --set tenants.2.sm_percent=50
"$cotenant" compare "$out/timeslice" "$out/mps" "$out/mps_shares"
look "$out/timeslice $out/mps $out/mps_shares" plots/comparison
