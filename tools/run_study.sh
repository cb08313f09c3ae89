#!/bin/sh
# Runs the study on this machine's GPU: every model alone, every mix of configs/multitenant, and three mixes under each
# way of sharing. tools/make_study.sh turns what it leaves in OUT into pages.
#
#   tools/run_study.sh OUT [BUILD]             BUILD: build/release, its `cotenant` is run
#
#   OUT/study/<experiment>                     as their files say (mps: true or false)
#   OUT/modes/<mix>_<mode>                     timeslice, mps, mps_shares, streams, green
#   OUT/run_study.log                          what each run printed
#
# No run measures baselines of its own (--baselines): that would be one more process start and one more window for each
# kind of tenant in each of 41 experiments. Instead the five models are measured alone first. `cotenant analyze` takes a
# solo experiment of the same work, device and commit that lies beside an experiment as its baseline, so the five serve
# all; OUT/modes gets copies of them. BASELINES=--baselines measures every experiment's own.
#
# One line per experiment, with its seconds. A failure ends nothing. What has a complete run is not run again, so an
# interrupted study goes on where it was. Environment:
#   PARTS        some of "solo multitenant modes" (default: all)
#   MODES        some of "timeslice mps mps_shares streams green" (default: all)
#   WINDOW_S, WARMUP_S   least window and warm-up (default: 4 and 1)
#   TIME_LIMIT_S no experiment starts after so many seconds (default: 0, no limit)
#   EACH_LIMIT_S an experiment is ended after so many (default: 120)
#   CONFIGS      where solo/ and multitenant/ are (default: configs)
#   MIXES        of the modes (default: 10_distilgpt2 4_distilbert_1_mistral all_models)
#   SET          more options of every run, for example "--set seed=1"
#   BASELINES    --baselines, or empty
set -u
[ $# -ge 1 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mkdir -p "$1/study" "$1/modes" || exit 2
out=$(cd "$1" && pwd)
cd "$(dirname "$0")/.." || exit 2
cotenant=${COTENANT:-${2:-build/release}/cotenant}
command -v "$cotenant" >/dev/null || { echo "run_study: there is no $cotenant: build it first" >&2; exit 2; }
configs=${CONFIGS:-configs}
log=$out/run_study.log
began=$(date +%s)
ran=0 failed=0 late=0

# run NAME DIRECTORY CONFIG [OPTION...]
run() {
  name=$1 directory=$2 config=$3
  shift 3
  start=$(date +%s)
  if [ "${TIME_LIMIT_S:-0}" -gt 0 ] && [ $((start - began)) -ge "${TIME_LIMIT_S:-0}" ]; then
    late=$((late + 1))
    return
  fi
  echo "== $name: $config $*" >>"$log"
  # shellcheck disable=SC2086  # SET and BASELINES are words
  timeout --foreground -k 5 "${EACH_LIMIT_S:-120}" "$cotenant" run "$config" --out "$directory" --quiet --skip-existing \
    --set corun=overlap --set "min_duration_s=${WINDOW_S:-4}" --set "warmup_s=${WARMUP_S:-1}" ${BASELINES:-} "$@" \
    ${SET:-} >>"$log" 2>&1
  code=$?
  ran=$((ran + 1))
  case $code in
    0) said=valid ;;
    4) said="not valid: $(grep -A 1 '^not valid' "$log" | tail -n 1 | sed 's/^ *//')" ;;
    124) said="ended after ${EACH_LIMIT_S:-120} s" ;;
    *) said="failed ($code): $(grep '^cotenant: ' "$log" | tail -n 1)" ;;
  esac
  [ $code = 0 ] || [ $code = 4 ] || failed=$((failed + 1))
  printf '%4d s  %-36s %3d s  %s\n' $(($(date +%s) - began)) "$name" $(($(date +%s) - start)) "$said"
  case $code in 130 | 143) echo "run_study: interrupted" >&2; exit "$code" ;; esac
}

name_in() { sed -n 's/^experiment_name: *//p' "$1"; }
wanted() { case " $1 " in *" $2 "*) true ;; *) false ;; esac; }
parts=${PARTS:-solo multitenant modes}

if wanted "$parts" solo; then
  for config in "$configs"/solo/*.yaml; do run "$(name_in "$config")" "$out/study/$(name_in "$config")" "$config"; done
fi
if wanted "$parts" multitenant; then
  for config in "$configs"/multitenant/*.yaml; do
    run "$(name_in "$config")" "$out/study/$(name_in "$config")" "$config"
  done
fi

# Baselines of the modes: copies, since no link is followed in what is analysed.
for solo in "$out"/study/solo_*; do
  [ -e "$solo/experiment.json" ] || continue
  rm -rf "$out/modes/$(basename "$solo")"
  cp -R "$solo" "$out/modes/$(basename "$solo")"
done

# shares PERCENT...: options that give the tenants these, in order. Of the SMs under mps a cap, under green a partition
# in multiples of 8: a little more than 8, 16, 32 and 64 of 132 is 6.1, 12.2, 24.3 and 48.6%.
shares() {
  tenant=0
  for percent in "$@"; do
    printf ' --set tenants.%d.sm_percent=%s' $tenant "$percent"
    tenant=$((tenant + 1))
  done
}
mps_shares_of() {
  case $1 in
    10_distilgpt2) shares 10 10 10 10 10 10 10 10 10 10 ;;
    4_distilbert_1_mistral) shares 15 15 15 15 40 ;;
    all_models) shares 10 10 20 25 35 ;;
  esac
}
green_shares_of() {
  case $1 in
    10_distilgpt2) shares 6.1 6.1 6.1 6.1 6.1 6.1 6.1 6.1 6.1 6.1 ;;
    4_distilbert_1_mistral) shares 12.2 12.2 12.2 12.2 48.6 ;;
    all_models) shares 6.1 6.1 12.2 24.3 48.6 ;;
  esac
}

if wanted "$parts" modes; then
  for mix in ${MIXES:-10_distilgpt2 4_distilbert_1_mistral all_models}; do
    for mode in ${MODES:-timeslice mps mps_shares streams green}; do
      sharing=$mode options=""
      case $mode in
        mps_shares) sharing=mps options=$(mps_shares_of "$mix") ;;
        green) options=$(green_shares_of "$mix") ;;
      esac
      # `mps: true` of the file would contradict the mode.
      # shellcheck disable=SC2086  # options are words
      run "${mix}_$mode" "$out/modes/${mix}_$mode" "$configs/multitenant/$mix.yaml" --set mps=false \
        --set "sharing.mode=$sharing" --set "experiment_name=${mix}_$mode" $options
    done
  done
fi

echo "$ran experiments in $(($(date +%s) - began)) s, $failed failed$([ $late = 0 ] || echo ", $late not started: too late"); see $log"
[ $failed = 0 ] && [ $late = 0 ]
