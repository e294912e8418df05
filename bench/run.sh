#!/usr/bin/env bash
# Runs the benchmarks of this folder, or those named, against build/release; each prints a table of its own.
set -euo pipefail
cd "$(dirname "$0")"
export NJ_BUILD=${NJ_BUILD:-$PWD/../build/release}
cmake --build "$NJ_BUILD" --target nightjar packet flood sender load > /dev/null
[ $# -gt 0 ] || set -- *.sh
for bench in "$@"; do
	bench=${bench%.sh}
	[ "$bench" = run ] && continue
	printf '\n== %s\n' "$bench"
	bash "$bench.sh"
done
