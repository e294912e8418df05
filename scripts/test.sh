#!/usr/bin/env bash
# The whole test suite: style, unit tests under three builds (release, address+undefined, thread sanitizer), then the
# integration and fault tests against the release binary. Needs root for the ones that use network namespaces; without
# root those are skipped, and said so.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc)}

step() { printf '\n== %s\n' "$*"; }
build() {
	[ -f "build/$1/build.ninja" ] || cmake --preset "$1" -Wno-dev >/dev/null
	cmake --build --preset "$1" -j "$jobs"
}

step "style"
scripts/check-style.sh

for preset in release asan tsan; do
	step "build: $preset"
	build $preset
done

export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=halt_on_error=1
for preset in asan tsan; do
	step "unit tests: $preset"
	ctest --test-dir "build/$preset" --output-on-failure -j "$jobs" -R '^unit\.'
done

step "unit tests, vectors and models: release"
ctest --test-dir build/release --output-on-failure -j "$jobs" -E '^(integration|fault)\.'

# These run real processes against time limits: one at a time.
step "integration and fault tests: release"
ctest --test-dir build/release --output-on-failure -R '^(integration|fault)\.'
