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
step "unit tests: asan"
ctest --test-dir build/asan --output-on-failure -j "$jobs" -R '^unit\.'
# Where no code starts a thread there is nothing for this one to see; of the long variants it sees the one with the most.
step "unit tests: tsan"
ctest --test-dir build/tsan --output-on-failure -j "$jobs" -R '^unit\.' \
	-E '^unit\.(wire|sms|crypto|config|cli|identity)\.|durable_model$|model\.reactors2$'

step "unit tests, vectors and models: release"
ctest --test-dir build/release --output-on-failure -j "$jobs" -E '^(integration|fault)\.'

# Each has namespaces and a folder of its own, and mostly waits; those that measure times say so, and run alone.
step "integration and fault tests: release"
ctest --test-dir build/release --output-on-failure -j "$jobs" -R '^(integration|fault)\.'
