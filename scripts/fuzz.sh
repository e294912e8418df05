#!/usr/bin/env bash
# Runs fuzz targets from their kept corpus (build/fuzz/corpus), as many at a time as there are cores (JOBS).
#   fuzz.sh [SECONDS_EACH] [NAME-PATTERN]    each for a time, 30 s by default
#   fuzz.sh -n INPUTS_EACH [NAME-PATTERN]    each until so many inputs have been run; what an earlier call ran counts,
#                                            as long as the target is the same to the byte (build/fuzz/counts)
# A target whose input costs public-key arithmetic runs a tenth of the inputs. Fails when one finds something; what it found
# is in build/fuzz/crashes, what it said in build/fuzz/NAME.log.
set -euo pipefail
cd "$(dirname "$0")/.."
export NJ_INPUTS=0
if [ "${1:-}" = -n ]; then
	NJ_INPUTS=${2:?how many inputs}
	shift 2
	set -- 0 "$@"
fi
seconds=${1:-30}
pattern=${2:-.}
jobs=${JOBS:-$(nproc)}
export NJ_SLICE_S=${SLICE_S:-60}
# Less kept of what was freed and of where: the targets that allocate run faster.
export ASAN_OPTIONS=quarantine_size_mb=32:malloc_context_size=8${ASAN_OPTIONS:+:$ASAN_OPTIONS}

[ -f build/fuzz/build.ninja ] || cmake --preset fuzz -Wno-dev >/dev/null
cmake --build --preset fuzz -j "$jobs" --target fuzz_targets

# An input of these is a handshake, or a certificate decoded and verified: public-key arithmetic and parsers that are
# OpenSSL's. What is ours in them has targets of its own.
share_of() { # NAME
	case $1 in
	fuzz_conn_tls | fuzz_x509) echo 10 ;;
	*) echo 1 ;;
	esac
}

# One run of a target, with its corpus and seeds. Leaks are looked for when it ends: most targets keep something between
# inputs, and a search after each would take nearly all the time.
fuzz() { # TARGET OPTIONS…
	local target=$1 name
	name=$(basename "$1")
	shift
	local seeds=tests/fuzz/corpus/$name
	[ -d "$seeds" ] || seeds=
	mkdir -p "build/fuzz/corpus/$name" build/fuzz/crashes
	(cd build/fuzz && exec "../../$target" -timeout=30 -rss_limit_mb=2048 -detect_leaks=0 -entropic=0 \
		-print_final_stats=1 \
		-artifact_prefix=crashes/"$name"- "$@" "corpus/$name" ${seeds:+"../../$seeds"} \
		>"$name.log" 2>&1)
}
found() { # NAME
	printf '%-22s FOUND SOMETHING\n' "$1"
	tail -n 40 "build/fuzz/$1.log"
}
timed() { # TARGET SECONDS
	local name
	name=$(basename "$1")
	if fuzz "$1" -max_total_time="$2"; then
		printf '%-22s %s\n' "$name" "$(grep -E 'DONE' "build/fuzz/$name.log" | tail -n 1)"
	else
		found "$name"
		return 1
	fi
}

# build/fuzz/counts/NAME: what the target's bytes hash to, inputs run, milliseconds they took.
counted() { # TARGET
	local name goal hash known inputs=0 ms=0 began kept ran status state
	name=$(basename "$1")
	state=build/fuzz/counts/$name
	goal=$((NJ_INPUTS / $(share_of "$name")))
	hash=$(sha256sum "$1" | cut -c 1-16)
	mkdir -p build/fuzz/counts
	[ ! -f "$state" ] || read -r known inputs ms <"$state"
	[ "${known:-$hash}" = "$hash" ] || inputs=0 ms=0
	while [ "$inputs" -lt "$goal" ]; do
		# A run begins with the corpus, which was counted when it was found.
		kept=$(find "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name" -type f 2>/dev/null | wc -l)
		began=${EPOCHREALTIME/./}
		status=0
		fuzz "$1" -runs=$((goal - inputs + kept)) -max_total_time="$NJ_SLICE_S" || status=$?
		ran=$(sed -n 's/^stat::number_of_executed_units: *//p' "build/fuzz/$name.log")
		[ "${ran:-0}" -le "$kept" ] || inputs=$((inputs + ran - kept))
		ms=$((ms + (${EPOCHREALTIME/./} - began) / 1000))
		echo "$hash $inputs $ms" >"$state"
		[ "$status" -ne 72 ] || return 1 # interrupted: what was run is kept
		[ "$status" -eq 0 ] || { found "$name"; return 1; }
		[ "$inputs" -ge "$goal" ] || progress "$name" "$inputs" "$ms" "of $goal"
	done
	progress "$name" "$inputs" "$ms" "inputs, nothing found"
}
progress() { # NAME INPUTS MILLISECONDS WHAT
	printf '%-22s %11d %s; %d s, %d a second\n' "$1" "$2" "$4" $(($3 / 1000)) $(($2 * 1000 / ($3 + 1)))
}
export -f fuzz found timed counted progress share_of

mapfile -t targets < <(find build/fuzz/tests -maxdepth 2 -type f -executable -name 'fuzz_*' | grep -E "$pattern" | sort)
[ ${#targets[@]} -gt 0 ] || { echo "no fuzz target matches '$pattern'" >&2; exit 1; }
if [ "$NJ_INPUTS" -gt 0 ]; then
	printf '%s fuzz targets, %s inputs each, %s at a time\n' "${#targets[@]}" "$NJ_INPUTS" "$jobs"
	printf '%s\n' "${targets[@]}" | xargs -P "$jobs" -I{} bash -c 'counted "$1"' _ {}
else
	printf '%s fuzz targets, %s s each, %s at a time\n' "${#targets[@]}" "$seconds" "$jobs"
	printf '%s\n' "${targets[@]}" | xargs -P "$jobs" -I{} bash -c 'timed "$1" "$2"' _ {} "$seconds"
fi
