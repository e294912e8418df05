#!/usr/bin/env bash
# The commands that change or show something say the same with the gateway running and stopped. What is damaged, newer
# or malformed is refused with a reason, and not one byte of it changes.
set -u
. "$(dirname "$0")/lib.sh"
world sqlite3
gateway_make

# Changes everything that can be changed, with names that begin with $1; what differs by nature is masked.
changes() {
	local p=$1
	{
		gateway profile set $p-p --publish "$p/{device}/#" --subscribe 'x/+' --deny-publish "$p/+/no" --json
		gateway profile set $p-p --publish "$p/{device}/#" --subscribe 'x/#' --deny-publish "$p/+/no" --json
		gateway profile show $p-p --json
		gateway device add $p-1 --profile $p-p --out "$tmp/$p-1.cred" --json
		gateway device add $p-1 --profile $p-p --out "$tmp/$p-2.cred" --json
		gateway device add $p-2 --profile nowhere --out "$tmp/$p-2.cred" --json
		gateway device add '../x' --profile $p-p --out "$tmp/$p-2.cred" --json
		gateway device import --count 3 --prefix $p-i --profile $p-p --out "$tmp/$p" --json
		gateway application add $p-a --profile $p-p --out "$tmp/$p-a.cred" --json
		gateway why --device $p-1 --publish $p/$p-1/t --json
		gateway why --device $p-1 --publish $p/$p-1/no --json
		gateway why --application $p-a --subscribe 'x/y' --json
		gateway why --device $p-9 --publish x --json
		gateway device revoke $p-1 --json
		gateway device revoke $p-1 --json
		gateway application revoke $p-a --json
		gateway device show $p-1 --json
		gateway device show $p-9 --json
		gateway audit tail --count 1 --event device.revoked --json
	} > "$tmp/told" 2>&1
	# Who asked is known of a running gateway only.
	sed -E "s/\"source\":\"[^\"]*\"/\"source\":S/; s/$p-/P-/g; s,$p/,P/,g; s/[0-9a-f]{32}/UID/g; s/\"(seq|time_ms|created_ms|revoked_ms)\":[0-9]+/\"\1\":N/g
		s/\"time\":\"[^\"]*\"/\"time\":T/g; s/,\"cut\":(true|false)//; s/\"next\":[0-9]+/N/" "$tmp/told"
	stat -c '%a' "$tmp/$p-1.cred" "$tmp/$p"/*.cred
}
shows() {
	gateway profile list --json
	gateway device list --json
	gateway application list --json
	gateway device list
	gateway audit tail --count 1000 --event device --json
	gateway status --json | jq -S '[.keeper.devices, .keeper.applications]'
}
same() { # WHAT FILE FILE
	succeeds "$1 ($(wc -l < "$2") lines)" diff "$2" "$3"
}

test_same() {
	changes stopped > "$tmp/changes.stopped"
	gateway_start
	changes running > "$tmp/changes.running"
	same "changes say the same" "$tmp/changes.stopped" "$tmp/changes.running"
	shows > "$tmp/shows.running" 2>&1
	is "status says running" true "$(gateway status --json | jq .running)"
	has "audit verify, running" '^whole' "$(gateway audit verify)"
	refused "a second gateway in the folder" 'held by a running gateway' timeout 10 "$NJ" serve --dir "$dir"
	gateway_stop
	shows > "$tmp/shows.stopped" 2>&1
	same "all is shown the same" "$tmp/shows.running" "$tmp/shows.stopped"
	is "status says stopped" false "$(gateway status --json | jq .running)"
	has "audit verify, stopped" '^whole' "$(gateway audit verify)"
	has "why, for people" '^denied +publish' "$(gateway why --device stopped-i1 --publish stopped/stopped-i1/no)"
	refused "init over it" 'already|exists' gateway init
}

# -- what must not be touched ----------------------------------------------------------------------------------------
untouched() { # WHAT PATTERN FILE: no command that reads it changes it
	local before command
	before=$(sha256sum < "$dir/$3")
	for command in "serve" "status" "device list" "why --device stopped-i1 --publish x"; do
		refused "$1: $command" "$2" timeout 10 ip netns exec "$GW" "$NJ" $command --dir "$dir"
	done
	is "$1: its bytes" "$before" "$(sha256sum < "$dir/$3")"
}
with_copy() { # FUNCTION ARGUMENTS…: on a copy of the gateway
	local whole=$dir
	dir=$tmp/copy
	cp -a "$whole" "$dir"
	"$@"
	rm -rf "$dir"
	dir=$whole
}
damage_head() { # STORE
	sqlite3 "$dir/$1" 'PRAGMA wal_checkpoint(TRUNCATE)' > /dev/null
	dd if=/dev/urandom of="$dir/$1" bs=1 seek=20 count=60 conv=notrunc status=none
	untouched "$1 with a damaged head" "${1##*/}.*damaged.*backup" "$1"
}
damage_pages() { # STORE
	sqlite3 "$dir/$1" 'PRAGMA wal_checkpoint(TRUNCATE)' > /dev/null
	dd if=/dev/urandom of="$dir/$1" bs=1 seek=4100 count=4000 conv=notrunc status=none
	untouched "$1 with a damaged page" "${1##*/}.*damaged.*backup" "$1"
}
newer() { # STORE
	sqlite3 "$dir/$1" 'PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE)' > /dev/null
	untouched "a newer $1" "${1##*/}.*newer" "$1"
}
missing() { # STORE
	rm -f "$dir/$1"*
	refused "no $1" "${1##*/}" timeout 10 ip netns exec "$GW" "$NJ" serve --dir "$dir"
	is "no $1: nothing was made in its place" "" "$(ls "$dir/$1" 2> /dev/null)"
}
no_key() {
	rm "$dir/keys/vault.key"
	refused "no key file" 'key' timeout 10 ip netns exec "$GW" "$NJ" serve --dir "$dir"
}
bad_config() { # WHAT PATTERN TEXT
	printf '%b' "$3" > "$dir/nightjar.yaml"
	refused "check, $1" "$2" gateway check
	refused "serve, $1" "$2" timeout 10 ip netns exec "$GW" "$NJ" serve --dir "$dir"
}
bad_configs() {
	bad_config "an empty file" 'empty|nothing' ''
	bad_config "an unknown key" 'line 2.*hots.*host' 'cloak: bpf\nhots: x\n'
	bad_config "a key twice" 'line 2.*host' 'host: a\nhost: b\n'
	bad_config "no YAML" 'line 1' '{{{{'
	bad_config "a port past the end" '65535|65536' 'ports:\n  knock: 65536\n'
	bad_config "binary" 'nightjar.yaml' '\x00\xff\xfe'
}
bad_credentials() {
	printf 'not credentials\n' > "$tmp/bad.cred"
	refused "malformed credentials" 'bad.cred' "$NJ" knock --credentials "$tmp/bad.cred" --to 127.0.0.1
	head -c 60 "$tmp/stopped-i/stopped-i1.cred" > "$tmp/bad.cred" 2> /dev/null
	refused "cut credentials" 'bad.cred' "$NJ" knock --credentials "$tmp/bad.cred" --to 127.0.0.1
}

test_same
for store in keeper/keeper.db gateway/gateway.db; do
	with_copy damage_head $store
	with_copy damage_pages $store
	with_copy newer $store
	with_copy missing $store
done
with_copy no_key
with_copy bad_configs
bad_credentials
finish
