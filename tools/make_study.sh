#!/bin/sh
# Turns the results of tools/run_study.sh into pages: tables, plots and the analyses behind them. Needs Python 3 alone.
#
#   tools/make_study.sh DATA [OUT [COTENANT]]      default: docs/study and build/release/cotenant
set -eu
[ $# -ge 1 ] || { sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd)
exec python3 "$root/tools/study_pages.py" "$1" "${2:-$root/docs/study}" --cotenant "${3:-$root/build/release/cotenant}" \
  --configs "$root/configs"
