#!/usr/bin/env bash
# Our SMPP PDUs before other people's eyes: tshark judges every one that we write; npm's "smpp" and Perl's Net::SMPP write
# and read the same bytes.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
words=${NJ_BUILD:?the build folder}/tests/integration/smpp_words
[ -x "$words" ] || { echo "skipped: not built: $words"; exit 77; }
tmp=$(mktemp -d /tmp/njtest.XXXXXX)
trap 'rm -rf "$tmp"' EXIT
failures=0
judged=0

is() { # WHAT WANTED GOT
	if [ "$2" = "$3" ]; then echo "ok    $1"; else
		echo "WRONG $1: expected $2, got $3"
		failures=$((failures + 1))
	fi
}
shark() { tshark -r "$tmp/pcap" -d tcp.port==2775,smpp "$@" 2> /dev/null; }
reads() { # WHAT LINE…: tshark shows each of the lines
	local what=$1 line missing=
	shift
	for line in "$@"; do grep -qF -- "$line" "$tmp/shown" || missing+=" [$line]"; done
	is "$what" "" "$missing"
}

if command -v tshark > /dev/null; then
	judged=1
	count=$("$words" pcap "$tmp/pcap")
	is "tshark finds every PDU, whole and in pieces" "$count" "$(shark -T fields -e smpp.command_id | tr ',' '\n' | grep -c 0x)"
	is "tshark has nothing to say against any" "" "$(shark -Y '_ws.malformed || (smpp && _ws.expert)')"
	shark -V > "$tmp/shown"
	reads "tshark reads a submit's fields" "Service type: WAP" "(originator): Alphanumeric" "Originator address: Depot" \
		"Recipient address: 491701234567" "Protocol id.: 0x40" "Scheduled delivery time: Nov 22, 2026 13:30:00" \
		"Validity period: 86400" "Delivery receipt requested (for success or failure)" \
		"Intermediate notification requested" "Predefined message: 7" "Message bytes: 6f70656e207468652067617465" \
		"Source port: 0x1388" "SAR size: 3" "0x1400 (0x1400): 636f73742063656e747265"
	reads "a receipt's" "Message type: Short message contains SMSC Delivery Receipt" "SMSC identifier: 0123456789" \
		"Message state: DELIVERED (2)" "Error code: 0x001b"
	reads "addressees and failures" "Distr. list name: all-gates" "Status: Message queue full (0x00000014)"
fi
if [ -d "$here/npm/node_modules/smpp" ] && command -v node > /dev/null; then
	judged=1
	node "$here/smpp_pdu.mjs" "$words" "${SEED:-1}" || failures=$((failures + 1))
else
	echo "skipped: npm's smpp is not installed (scripts/deps.sh test)"
fi
if perl -MNet::SMPP -e 1 2> /dev/null; then
	judged=1
	perl "$here/smpp_pdu.pl" "$words" || failures=$((failures + 1))
else
	echo "skipped: Net::SMPP is not installed (scripts/deps.sh test)"
fi
[ "$judged" = 1 ] || exit 77
exit $((failures > 0))
