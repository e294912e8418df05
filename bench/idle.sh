#!/usr/bin/env bash
# Memory of an idle gateway by number of devices: bench/idle.sh [COUNT…] (default 0 10000 100000). Needs root and a
# build: NJ_BUILD, default build/release.
set -u
cd "$(dirname "$0")/.." || exit 1
export NJ_BUILD=${NJ_BUILD:-$PWD/build/release}
. tests/integration/lib.sh
world
gateway_make
printf '%10s %12s %10s %10s %10s\n' devices supervisor keeper gateway "all, kB"
for count in "${@:-0 10000 100000}"; do
	for n in $count; do
		[ "$n" = 0 ] || must gateway device import --count "$n" --profile meter --out "$tmp/many"
		gateway_start
		sleep 2
		pss=()
		for process in $supervisor $keeper $worker; do
			pss+=("$(awk '/^Pss:/ { print $2 }' /proc/$process/smaps_rollup)")
		done
		printf '%10s %12s %10s %10s %10s\n' "$n" "${pss[@]}" "$(pss_kb)"
		gateway_stop > /dev/null
	done
done
