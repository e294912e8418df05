#!/usr/bin/env bash
# 100,000 devices are enrolled in under a minute, and one of them knocks and publishes at once. With 10,000 the gateway
# is ready in two seconds.
set -u
. "$(dirname "$0")/lib.sh"
world mosquitto_pub

test_import() { # COUNT SECONDS
	local began=$(now_ms)
	succeeds "$1 devices are imported" gateway device import --count "$1" --prefix m --profile meter --out "$tmp/many"
	at_most "$1 devices in ms" "$(soon "$2")" $(($(now_ms) - began))
	is "files" "$1" "$(find "$tmp/many" -name '*.cred' -perm 600 | wc -l)"
	is "devices" "$1" "$(gateway status --json | jq .keeper.devices)"
	cp "$tmp/many/m$1.cred" "$tmp/m.cred"
}

gateway_make
gateway_start
test_import 100000 60000
succeeds "the last of them knocks and publishes" publish m $GW4 "dev/m100000/t" 1
echo "      memory with 100,000 devices: $(pss_kb) kB"
gateway_stop
began=$(now_ms)
gateway_start
echo "      ready with 100,000 devices after $(($(now_ms) - began)) ms"
succeeds "after the restart it knocks and publishes" publish m $GW4 "dev/m100000/t" 2
gateway_stop

rm -rf "$dir" "$tmp/many"
gateway_make
test_import 10000 60000
printf 'name\nfrom-csv-1\n"from-csv-2"\n' > "$tmp/names.csv"
succeeds "names from a CSV file" gateway device import --csv "$tmp/names.csv" --profile meter --out "$tmp/csv"
began=$(now_ms)
gateway_start
at_most "ready with 10,000 devices after ms" "$(soon 2000)" $(($(now_ms) - began))
cp "$tmp/csv/from-csv-2.cred" "$tmp/c.cred"
succeeds "one from the CSV file knocks and publishes" publish c $GW4 dev/from-csv-2/t 1
gateway_stop
finish
