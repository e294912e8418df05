#!/usr/bin/env bash
# Long loops: the kill test with many rounds, then every fuzz target for MINUTES each (default 10).
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${KILL_ROUNDS:-200}
minutes=${MINUTES:-10}

make --no-print-directory release
NJ_BUILD=$PWD/build/release KILL_ROUNDS=$rounds bash tests/fault/kill.sh
scripts/fuzz.sh $((minutes * 60))
