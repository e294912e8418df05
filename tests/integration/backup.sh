#!/usr/bin/env bash
# Backup of a running and of a stopped gateway; restore into an empty folder and over a gateway. Damaged archives are
# refused. After a restore nothing recorded since is accepted again, and a device that has moved on gets in again.
set -u
. "$(dirname "$0")/lib.sh"
world mosquitto_pub sqlite3
recovery=$("$NJ" init --dir "$dir" --host $GW4 --json | jq -r .recovery_key)
must gateway profile set meter --publish 'dev/{device}/#'
sed -i -E 's|^( *)rate_device_burst: .*|\1rate_device_burst: 255|' "$dir/nightjar.yaml"
enrol device pump still gone
gateway_start
succeeds "a session before the backup" publish pump $GW4:$KNOCK dev/pump/t hello

# -- backup ----------------------------------------------------------------------------------------------------------
said=$(gateway backup --out "$tmp/running.backup" --json)
is "the archive's mode" 600 "$(stat -c %a "$tmp/running.backup")"
is "no copy is left" "" "$(ls "$dir"/*/*.copy "$tmp"/*.part 2> /dev/null)"
refused "over a file that is there" 'there already' gateway backup --out "$tmp/running.backup"
refused "where nothing can be written" '.' gateway backup --out /nowhere/at/all
key=$(xxd -p -c 64 "$dir/keys/vault.key")
is "the key file is not in it" 0 "$(xxd -p -c 1000000000 "$tmp/running.backup" | grep -c "$key")"
is "it is audited" 2 "$(gateway audit tail --event backup --json | wc -l)"
must gateway device revoke gone
enrol device late
for i in $(seq 20); do publish pump $GW4:$KNOCK dev/pump/t $i || is "session $i" yes no; done
record pump recorded.knock
refused "restore over a running gateway" 'runs' gateway restore --from "$tmp/running.backup" --replace
gateway_stop
succeeds "backup of the stopped gateway" gateway backup --out "$tmp/stopped.backup"

# -- damage ----------------------------------------------------------------------------------------------------------
size=$(stat -c %s "$tmp/running.backup")
whole=$dir
dir=$tmp/other
for at in 0 17 20 30 60 200 5000 $((size / 2)) $((size - 1)); do
	cp "$tmp/running.backup" "$tmp/bad.backup"
	byte=$(xxd -p -s "$at" -l 1 "$tmp/bad.backup")
	printf "$(printf '\\x%02x' $((0x$byte ^ 1)))" | dd of="$tmp/bad.backup" bs=1 seek="$at" conv=notrunc status=none
	refused "a bit flipped at $at" 'damaged|newer' gateway restore --from "$tmp/bad.backup"
done
for cut in 0 10 100 $((size - 1)); do
	head -c "$cut" "$tmp/running.backup" > "$tmp/bad.backup"
	refused "cut to $cut bytes" 'damaged' gateway restore --from "$tmp/bad.backup"
done
(cat "$tmp/running.backup"; echo) > "$tmp/bad.backup"
refused "a byte too many" 'damaged' gateway restore --from "$tmp/bad.backup"
refused "no file" 'No such' gateway restore --from "$tmp/none"
is "nothing was made" "" "$(ls "$dir" 2> /dev/null | grep -v -x -e keeper -e gateway -e keys -e run -e lock)"

# -- into an empty folder, without the key file ----------------------------------------------------------------------
said=$(gateway restore --from "$tmp/running.backup")
has "it says of when" 'the gateway of 20' "$said"
has "it says whom it concerns" '^3 devices' "$said"
has "it says that the key file is missing" 'vault.key is not here' "$said"
refused "without a key it stays shut" 'key file' gateway device list
must gateway recover <<< "$recovery"
is "what was in the backup" "gone,pump,still" "$(gateway device list --json | jq -r .name | sort | paste -sd,)"
has "the log is whole" '^whole' "$(gateway audit verify)"
is "the restore is audited once" 1 "$(gateway audit tail --event restored --json | wc -l)"
refused "over what is there now" '--replace' gateway restore --from "$tmp/running.backup"
dir=$whole

# -- over the gateway, and devices that have moved on ----------------------------------------------------------------
counter() { gateway device show "$1" --json | jq .floor; }
said=$(gateway restore --from "$tmp/running.backup" --replace --raise 64 --json)
aside=$(jq -r .aside <<< "$said")
is "what was there is kept" 3 "$(ls "$dir/nightjar.yaml$aside" "$dir/keeper/keeper.db$aside" "$dir/gateway/gateway.db$aside" | wc -l)"
is "the key file is where it was" true "$(jq .key_there <<< "$said")"
is "who is waited for" 3 "$(gateway status --json | jq .keeper.restored_left)"
gateway_start
before=$(accepted pump)
replay recorded.knock
is "a knock recorded since the backup" "$before" "$(accepted pump)"
gets_in() { # NAME MOST: attempts until it is in
	local name=$1 most=$2 i
	for i in $(seq "$most"); do
		timeout 5 ip netns exec "$OUT" "$NJ" knock --credentials "$tmp/$name.cred" --to $GW4:$KNOCK --wait-ms 50 --then \
			timeout 0.4 mosquitto_pub $PSK -t "dev/$name/t" -m back 2> "$tmp/publish.err" && { echo "$i"; return; }
	done
	echo never
}
is "a device added since the backup stays out" never "$(gets_in late 2)"
tries=$(gets_in pump 60)
at_most "attempts of a device that had moved on by 21" 60 "${tries/never/999}"
tries=$(gets_in still 60)
at_most "attempts of a device that had not" 60 "${tries/never/999}"
is "who is waited for now" 1 "$(gateway status --json | jq .keeper.restored_left)"
succeeds "and at once the next time" publish pump $GW4:$KNOCK dev/pump/t again
# Further on than the restore allowed for: the operator moves it on, and it gets in.
sed -i -E 's/^counter: .*/counter: 300/; s/^attempt: .*/attempt: 0/' "$tmp/still.cred"
is "a device that is too far on" never "$(gets_in still 3)"
refused "raised by nothing" 'raised' gateway device raise still --by 0
refused "nobody of that name" 'no device' gateway device raise nobody --by 1
said=$(gateway device raise still --by 256)
has "raised while the gateway serves" 'are used up' "$said"
tries=$(gets_in still 80)
at_most "attempts then" 80 "${tries/never/999}"
is "the raise is audited" 1 "$(gateway audit tail --count 100 --event device.raised --json | wc -l)"
before=$(accepted pump)
replay recorded.knock
is "the recorded knock, still" "$before" "$(accepted pump)"
gateway_stop

succeeds "the backup of the stopped gateway" gateway restore --from "$tmp/stopped.backup" --replace --raise 0
is "has the device that came later" "late,pump,still" "$(gateway device list --json | jq -r .name | sort | paste -sd,)"
finish
