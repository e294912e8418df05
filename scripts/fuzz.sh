#!/usr/bin/env bash
# Runs every fuzz target for SECONDS_EACH (default 30) from its kept corpus, as many at a time as there are cores.
# fuzz.sh [SECONDS_EACH] [NAME-PATTERN]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-30}
pattern=${2:-.}
jobs=${JOBS:-$(nproc)}

[ -f build/fuzz/build.ninja ] || cmake --preset fuzz -Wno-dev >/dev/null
cmake --build --preset fuzz -j "$jobs"

one() {
	local target=$1 name corpus log
	name=$(basename "$target")
	corpus=build/fuzz/corpus/$name
	log=build/fuzz/$name.log
	mkdir -p "$corpus" build/fuzz/crashes
	local seeds=tests/fuzz/corpus/$name
	[ -d "$seeds" ] || seeds=
	if (cd build/fuzz && "../../$target" -max_total_time="$2" -timeout=10 -rss_limit_mb=2048 -artifact_prefix=crashes/"$name"- \
		"corpus/$name" ${seeds:+"../../$seeds"} >"$name.log" 2>&1); then
		printf '%-28s %s\n' "$name" "$(grep -E 'DONE' "$log" | tail -n 1)"
	else
		printf '%-28s FOUND SOMETHING\n' "$name"
		tail -n 40 "$log"
		return 1
	fi
}
export -f one

mapfile -t targets < <(find build/fuzz/tests -maxdepth 2 -type f -executable -name 'fuzz_*' | grep -E "$pattern" | sort)
[ ${#targets[@]} -gt 0 ] || { echo "no fuzz target matches '$pattern'" >&2; exit 1; }
printf '%s fuzz targets, %s s each, %s at a time\n' "${#targets[@]}" "$seconds" "$jobs"
printf '%s\n' "${targets[@]}" | xargs -P "$jobs" -I{} bash -c 'one "$1" "$2"' _ {} "$seconds"
