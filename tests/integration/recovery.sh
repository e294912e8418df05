#!/usr/bin/env bash
# A device that changed its root key after the backup, and knocked far beyond the restored counters, comes back: backup,
# rekey, restore, the operator's window, a new root key by the recovery key, ordinary service. Power cuts of that
# exchange on real processes. What opens in the window, what does not, and how it ends. A strict restore.
set -u
. "$(dirname "$0")/lib.sh"
REF=$NJ_BUILD/tests/reference/nj-ref-device
[ -x "$REF" ] || { echo "skipped: not built: $REF"; exit 77; }
ENROLMENT=8844
world
recovery=$("$NJ" init --dir "$dir" --host $GW4 --json | jq -r .recovery_key)
must gateway profile set meter --publish 'dev/{device}/#' --subscribe 'cmd/{device}/#'
sed -i -E 's/^( *)rekey_interval:.*/\1rekey_interval: 1s/; s/^( *)rate_device_burst:.*/\1rate_device_burst: 255/' \
	"$dir/nightjar.yaml"
must gateway check
enrol device d1 d2 d3
gateway_start

device() { # NAME [OPTIONS]: what it does is in $tmp/said.device
	local name=$1
	shift
	timeout 60 ip netns exec "$OUT" "$REF" --credentials "$tmp/$name.cred" --state "$tmp/$name.state" --to $GW4 \
		--connect-ms 150 --stay-ms 700 "$@" > "$tmp/said.device" 2>&1
}
said() { awk -v what="$1" '$1 == what { print $2 }' "$tmp/said.device" | tail -1; } # WHAT
epoch() { gateway device show "$1" --json | jq .epoch; }
events() { gateway audit tail --count 1000 --event "$1" --json | wc -l; }
in_service() { # WHEN NAME: bound with a root key, and both sides agree
	device "$2" --attempts 60
	is "$1: $2 is in service" 0 $?
	is "$1: $2 holds one key" 1 "$(said keys)"
	is "$1: the gateway's" "$(epoch "$2")" "$(said epoch)"
}
window() { gateway recovery "$@" <<< "$recovery"; }
door() { ip netns exec "$1" "$PACKET" reach $GW4 $ENROLMENT; } # NAMESPACE

# -- backup, then a rekey and a counter far on -----------------------------------------------------------------------
must gateway backup --out "$tmp/before.backup"
for name in d1 d2; do in_service "after the backup" $name; done
is "d1 has a new key" 2 "$(epoch d1)"
is "the enrolment port without a window" silent "$(door "$OUT")"
refused "a window while nobody is missed" 'no restore' window open
gateway_stop
# As if it had gone on for a long time: beyond what a restore raises by default, and its window.
sqlite_floor() { sqlite3 "$dir/keeper/keeper.db" "UPDATE devices SET floor = 900 WHERE name = 'd3'"; }
command -v sqlite3 > /dev/null && sqlite_floor && sed -i 's/^counter: .*/counter: 900/' "$tmp/d3.cred"
cp -a "$dir" "$tmp/lived"

# -- restore, with and without the store that it replaces ------------------------------------------------------------
said=$(gateway restore --from "$tmp/before.backup" --replace --json)
is "what happened since is known" true "$(jq .since.known <<< "$said")"
is "who changed the key" 2 "$(jq .since.rekeyed <<< "$said")"
has "the busiest device" '^(900|89[0-9])$' "$(jq .since.moved_most <<< "$said")"
is "and its counter is taken over" 900 "$(gateway device show d3 --json | jq .knocks_floor)"
rm "$dir"/keeper/keeper.db*
rm "$dir"/gateway/gateway.db* "$dir"/nightjar.yaml*
said=$(gateway restore --from "$tmp/before.backup" --json)
is "without that store it is not known" false "$(jq .since.known <<< "$said")"
is "who changed the key before the backup" 0 "$(jq .since.may_rekey <<< "$said")"
gateway_start
device d1 --attempts 3
is "the key from after the backup opens nothing" 3 $?
device d1 --attempts 6 --failed-hours 24 --tried 16
is "nor does the recovery key, without a window" 3 $?

# -- the window ------------------------------------------------------------------------------------------------------
refused "a window with another's key" 'not the vault' \
	gateway recovery open <<< "$("$NJ" init --dir "$tmp/other" --json | jq -r .recovery_key)"
refused "for somebody who is not there" 'no device' window open --device nobody
succeeds "the window" window open --minutes 30
within 3000 eval '[ "$(gateway recovery status --json | jq .waiting)" = 3 ]'
is "whom it is for" 3 "$(gateway recovery status --json | jq .waiting)"
has "status shows it" '^recovery +open until .* for 3' "$(gateway status)"
is "the enrolment port, to a stranger" silent "$(door "$FAR")"
device d1 --attempts 60 --failed-hours 24 --tried 10
is "d1 is recovered, and in service" 0 $?
is "by its recovery key" 0 "$(said bound-recovery)"
is "with the gateway's key" "$(epoch d1)" "$(said epoch)"
in_service "and the next time" d1
is "the enrolment port after that" silent "$(door "$OUT")"
is "it is recorded" 1 "$(events key.recovered)"
is "who is waited for" 2 "$(gateway status --json | jq .keeper.restored_left)"

# -- 900 counters on, against a gateway that knows of 256 ------------------------------------------------------------
if [ "$(awk '/^counter:/ { print $2 }' "$tmp/d3.cred")" = 900 ]; then
	device d3 --attempts 2
	is "d3 is too far on for its root key" 3 $?
	device d3 --attempts 40 --failed-hours 24 --tried 16
	is "d3 is recovered, and in service" 0 $?
	is "its counters begin where the gateway's are" yes "$([ "$(gateway device show d3 --json | jq .knocks_floor)" -lt 400 ] && echo yes)"
fi

# -- power cuts of the exchange --------------------------------------------------------------------------------------
# Every point is a unit test's; here, on real processes, the ones in the midst of it, with THOROUGH=1 all of them.
if [ -n "${THOROUGH:-}" ]; then
	deaths=({before,torn,after}:write-bound {before,torn,after}:write-offered {before,after}:send-stored
		{before,torn,after}:write-done)
else
	deaths=(torn:write-offered after:write-offered torn:write-done)
fi
again() { # a device that needs its recovery key once more: the same restore in small
	gateway recovery close > /dev/null
	must window open --device d2
}
for point in "${deaths[@]}"; do
	again
	device d2 --attempts 40 --lost 1 --failed-hours 24 --tried 16 --die "$point"
	is "the device dies ${point/:/ }" 137 $?
	device d2 --attempts 60 --failed-hours 24 --tried 16
	is "and is in service after that" 0 $?
	is "both agree" "$(epoch d2) 1" "$(said epoch) $(said keys)"
done

# -- its end ---------------------------------------------------------------------------------------------------------
again
kill -9 "$keeper"
settled() { local old=$1; children && [ "$keeper" != "$old" ]; }
within 10000 settled "$keeper"
within 5000 eval '[ "$(gateway status --json | jq -r .keeper.gateway_connected)" = true ]'
is "a window ends with its keeper" false "$(gateway recovery status --json | jq .open)"
again
has "it is closed" 'is shut' "$(gateway recovery close)"
has "and was" 'shut already' "$(gateway recovery close)"
in_service "shut, the root key goes on" d2
opened=$(events recovery.opened)
is "each that was opened was shut" "$opened" "$(events recovery.shut)"
gateway_stop
refused "a window of a stopped gateway" 'must run' window open --all
has "which is shut" 'is shut' "$(gateway recovery status)"

# -- a strict restore: nothing that was recorded opens a port --------------------------------------------------------
gateway_start
must gateway backup --out "$tmp/later.backup"
gateway_stop
must gateway restore --from "$tmp/later.backup" --replace --raise 0 --strict
gateway_start
before=$(events knock.accepted)
device d1 --attempts 4
is "a knock without a time after a strict restore" 3 $?
is "opens nothing" "$before" "$(events knock.accepted)"
has "and says why" 'before the restore' "$(gateway audit tail --count 1 --event knock.refused)"
must window open
device d1 --attempts 60 --failed-hours 24 --tried 16
is "by its recovery key it is in service" 0 $?
in_service "and from then on" d1
must gateway audit verify
gateway_stop

# -- a backup that died ----------------------------------------------------------------------------------------------
touch "$dir/keeper/keeper.db.copy" "$dir/gateway/gateway.db.copy"
gateway_start
is "copies that a backup left are removed" "" "$(ls "$dir"/*/*.copy 2> /dev/null)"
gateway_stop
finish
