#!/usr/bin/env bash
# Long loops: the kill test with many rounds, the rekey killed at every point, then every fuzz target for MINUTES each
# (default 10).
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${KILL_ROUNDS:-200}
minutes=${MINUTES:-10}

make --no-print-directory release
cmake --build --preset release
export NJ_BUILD=$PWD/build/release
ROUNDS=$rounds bash tests/fault/kill.sh
THOROUGH=1 bash tests/integration/rekey.sh
scripts/fuzz.sh $((minutes * 60))
