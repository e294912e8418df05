#!/usr/bin/env bash
# Searches the protocol's models (docs/protocol/models) with Spin, whole: no error may be found in them, and one must be
# found in each variant that is broken on purpose. Exit status 77 without spin or a compiler.
set -euo pipefail
cd "$(dirname "$0")/../docs/protocol/models"
models=$PWD
for tool in spin cc; do
	command -v $tool > /dev/null || { echo "skipped: needs $tool"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
wrong=0

search() { # MODEL [BROKEN]: leaves what the search said in $work/said
	rm -f pan*
	spin -a ${2:+-D$2} "$models/$1.pml" > said 2>&1 && cc -O2 -w -DSAFETY -DCOLLAPSE -DMEMLIM=1024 -o pan pan.c >> said 2>&1 &&
		timeout 120 ./pan -m200000 >> said 2>&1
}
report() { # MODEL VARIANT EXPECTED-ERRORS
	local errors states
	errors=$(sed -n 's/.*errors: //p' said)
	states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' said)
	printf '%-8s %-16s %10s states, %s errors\n' "$1" "$2" "${states:-no}" "${errors:-no}"
	if [ "${errors:-}" != "$3" ] || grep -qE 'max search depth too small|out of memory|pan: reached' said; then
		wrong=$((wrong + 1))
		cat said
	fi
}

for file in "$models"/*.pml; do
	model=$(basename "$file" .pml)
	search $model || true
	report $model whole 0
	for broken in $(grep -o -- '-DBROKEN_[A-Z]*' "$file" | cut -c3- | sort -u); do
		search $model $broken || true
		report $model $broken 1
	done
done
echo "$wrong wrong"
[ $wrong = 0 ]
