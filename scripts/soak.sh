#!/usr/bin/env bash
# The long proofs: what the other tests do a few times, many times. A step that fails does not stop the others; the
# table at the end has them all, and the exit status is 0 only when nothing was found.
#   soak.sh [STEP…]    all steps when none is named
# Steps, and the environment that sizes them:
#   kill        a process killed at a random moment, KILL_ROUNDS times (200)
#   durable     1,000 acknowledged messages, then kill -9, 200 times
#   bridge      two gateways and a bridge between them, one of their processes killed, 100 times
#   rekey       the rekey killed at every point, from both sides
#   stranger    every kind of scan over all ports, before, during and after a grant
#   fuzz        every fuzz target until INPUTS inputs were run (10000000), FUZZ a pattern of names; interrupted, it
#               goes on where it was (scripts/fuzz.sh)
# JOBS: fuzz targets at one time (as many as there are cores). Logs: build/soak/STEP.log
set -uo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;; esac
steps=("$@")
[ ${#steps[@]} -gt 0 ] || steps=(kill durable bridge rekey stranger fuzz)
logs=build/soak
export NJ_BUILD=$PWD/build/release

run_step() { # STEP
	case $1 in
	kill) ROUNDS=${KILL_ROUNDS:-200} bash tests/fault/kill.sh ;;
	durable) THOROUGH=1 bash tests/fault/durable.sh && THOROUGH=1 bash tests/fault/relaxed.sh ;;
	bridge) THOROUGH=1 bash tests/fault/bridge.sh ;;
	rekey) THOROUGH=1 bash tests/integration/rekey.sh ;;
	stranger) THOROUGH=1 bash tests/integration/stranger.sh ;;
	fuzz) scripts/fuzz.sh -n "${INPUTS:-10000000}" "${FUZZ:-.}" ;;
	*) echo "no step '$1'" >&2; return 64 ;;
	esac
}
verdict() { # STATUS
	case $1 in
	0) echo "nothing found" ;;
	77) echo "skipped: not on this machine" ;;
	*) echo "FOUND SOMETHING" ;;
	esac
}

mkdir -p $logs
make --no-print-directory release JOBS="${JOBS:-$(nproc)}" &&
	cmake --build --preset release -j "${JOBS:-$(nproc)}" --target packet nj-ref-device || exit 1
table=()
bad=0
for step in "${steps[@]}"; do
	printf '\n== %s, since %s\n' "$step" "$(date +%H:%M:%S)"
	SECONDS=0
	run_step "$step" 2>&1 | tee "$logs/$step.log"
	status=${PIPESTATUS[0]}
	[ "$status" -eq 0 ] || [ "$status" -eq 77 ] || bad=1
	table+=("$(printf '%-10s %6d s  %s' "$step" $SECONDS "$(verdict "$status")")")
done
printf '\n== what came of it\n'
printf '%s\n' "${table[@]}"
[ ! -f $logs/fuzz.log ] || grep -hE ' inputs, nothing found| FOUND SOMETHING' $logs/fuzz.log
exit $bad
