#!/bin/sh
# Makes docs/images/report.png: runs the demo with its baselines on this machine, which should be idle, and photographs
# the top of its report. Needs chromium and gnuplot.
#
#   tools/make_images.sh [build/release/cotenant]
set -eu
cd "$(dirname "$0")/.."
cotenant=$(realpath "${1:-build/release/cotenant}")
root=$PWD
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cd "$scratch"
"$cotenant" run "$root/configs/demo/demo.yaml" --baselines
"$cotenant" analyze data/demo
mkdir -p "$root/docs/images"
chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --virtual-time-budget=3000 --window-size=1280,1270 \
  --screenshot="$root/docs/images/report.png" "file://$scratch/plots/demo/report.html" 2>/dev/null
ls -l "$root/docs/images/report.png"
