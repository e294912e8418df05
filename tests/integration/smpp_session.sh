#!/usr/bin/env bash
# Our SMPP session on loopback against other people's: npm's "smpp" as ESME and as SMSC, Perl's Net::SMPP as ESME.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
peer=${NJ_BUILD:?the build folder}/tests/integration/smpp_peer
[ -x "$peer" ] || { echo "skipped: not built: $peer"; exit 77; }
failures=0
judged=0
PORT=$((20000 + $$ % 5000 * 4))

if [ -d "$here/npm/node_modules/smpp" ] && command -v node > /dev/null; then
	judged=1
	timeout 90 node "$here/smpp_session.mjs" "$peer" $PORT || failures=$((failures + 1))
fi
if perl -MNet::SMPP -e 1 2> /dev/null; then
	judged=1
	timeout 60 perl "$here/smpp_session.pl" "$peer" $((PORT + 2)) || failures=$((failures + 1))
fi
[ "$judged" = 1 ] || { echo "skipped: neither npm's smpp nor Net::SMPP is here (scripts/deps.sh test)"; exit 77; }
exit $((failures > 0))
