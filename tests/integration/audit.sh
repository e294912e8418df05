#!/usr/bin/env bash
# The audit log's chain: whole as the gateway wrote it; an edit, a deletion, a reordering and a cut tail, made with
# sqlite3 while the gateway is stopped, are found and named.
set -u
. "$(dirname "$0")/lib.sh"
world sqlite3
gateway_make
enrol device d1 d2 d3 d4
gateway_start
knock d1 $GW4 true
gateway_stop

sql() { sqlite3 "$dir/keeper/keeper.db" "$1"; }
tampered() { # WHAT PATTERN SQL
	local whole=$dir
	dir=$tmp/copy
	cp -a "$whole" "$dir"
	sql "$3" || failures=$((failures + 1))
	refused "$1" "$2" gateway audit verify
	rm -rf "$dir"
	dir=$whole
}

has "as it was written" '^whole' "$(gateway audit verify)"
last=$(sql 'SELECT max(seq) FROM audit')
is "records are numbered without a gap" "$last" "$(sql 'SELECT count(*) FROM audit')"
has "a checkpoint was signed at the stop" '[1-9]' "$(sql "SELECT count(*) FROM audit_checkpoints")"
tampered "an edited detail" 'record 3\b' "UPDATE audit SET detail = detail || '.' WHERE seq = 3"
tampered "an edited time" 'record 4\b' "UPDATE audit SET time_ms = time_ms + 1 WHERE seq = 4"
tampered "an edited hash" 'record 3\b' "UPDATE audit SET hash = zeroblob(length(hash)) WHERE seq = 3"
tampered "a deleted record" 'record (3|4)\b' 'DELETE FROM audit WHERE seq = 3'
tampered "two records in the other's place" 'record 3\b' \
	'UPDATE audit SET seq = -1 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = -1'
tampered "a cut tail" "tail was cut: records $((last - 1)) to $last are missing" "DELETE FROM audit WHERE seq > $last - 2"
tampered "a cut tail with its checkpoints" "tail was cut: records $((last - 1)) to $last are missing" \
	"DELETE FROM audit WHERE seq > $last - 2; DELETE FROM audit_checkpoints WHERE seq > $last - 2"
tampered "an added record" "record $((last + 1)) was changed" "INSERT INTO audit SELECT seq + 1, time_ms, event,
	customer, subject, source, detail, hash FROM audit WHERE seq = $last"
tampered "a forged checkpoint" 'checkpoint' 'UPDATE audit_checkpoints SET signature = zeroblob(length(signature))'
tampered "no head" 'head of the log is missing' 'DELETE FROM audit_head'
has "the original is still whole" '^whole' "$(gateway audit verify)"
gateway_start
has "and grows on" '^whole' "$(gateway audit verify)"
gateway_stop
finish
