#!/usr/bin/env bash
# Runs every benchmark of this folder against build/release; each prints a table of its own.
set -euo pipefail
cd "$(dirname "$0")"
for bench in *.sh; do
	[ "$bench" = run.sh ] && continue
	printf '\n== %s\n' "${bench%.sh}"
	NJ_BUILD=${NJ_BUILD:-$PWD/../build/release} bash "$bench"
done
