#!/usr/bin/env bash
# Bridges to Mosquitto: both ways, renamed, with QoS 0, 1 and 2, retained, in MQTT 5.0 and 3.1.1; over TLS with its CA
# and a certificate of the bridge's own, and with a shared key; a queue that waits for a peer that is away, and drains;
# reload starts, stops and changes bridges, and leaves the others alone.
set -u
. "$(dirname "$0")/lib.sh"
world mosquitto mosquitto_pub mosquitto_sub openssl
gateway_make
must gateway profile set bench --publish '#' --subscribe '#'
must gateway profile set bridge --publish 'in/#' --publish 'both/#' --subscribe 'out/#' --subscribe 'both/#'
must gateway application add bench --profile bench --out "$tmp/bench.cred"
must gateway application add site --profile bridge --out "$tmp/site.cred"
HERE="-h 127.0.0.1 -p 11883" THERE="-h 127.0.0.1 -p 21883"

here_pub() { in_gw timeout 20 mosquitto_pub $HERE -V 5 "$@"; }
there_pub() { in_gw timeout 20 mosquitto_pub $THERE -V 5 "$@"; }
# A subscriber in the background: FILE, then options.
listen() {
	local file=$tmp/$1
	shift
	: > "$file"
	in_gw stdbuf -oL mosquitto_sub -d -V 5 -F 'got %t %q %r %p' "$@" > "$file" 2>&1 &
	within 5000 grep -q '^Subscribed' "$file"
}
got() { grep '^got' "$tmp/$1" | cut -d' ' -f2-; } # FILE
came() { [ "$(got "$1" | wc -l)" -ge "$2" ]; } # FILE COUNT

# -- the peer --------------------------------------------------------------------------------------------------------
peer_conf() { # NAME PORT [LINES]
	cat > "$tmp/$1.conf" <<- END
		persistence true
		persistence_location $tmp/
		persistence_file $1.db
		user root
		listener $2 127.0.0.1
		${3:-allow_anonymous true}
	END
}
peer_start() { # NAME: $peer is it
	ip netns exec "$GW" mosquitto -c "$tmp/$1.conf" >> "$tmp/$1.log" 2>&1 &
	peer=$!
	within 5000 is_open "$(sed -n 's/^listener \([0-9]*\).*/\1/p' "$tmp/$1.conf")"
}
is_open() { [ "$(in_gw "$PACKET" reach 127.0.0.1 "$1")" = open ]; }
peer_stop() { kill "$peer" && wait "$peer" 2> /dev/null; }

# -- the bridges -----------------------------------------------------------------------------------------------------
row() { gateway mqtt bridges --json | jq -r "select(.name == \"$1\") | $2"; } # NAME EXPRESSION
is_state() { [ "$(row "$1" .state)" = "$2" ]; }
becomes() { within 15000 is_state "$1" "$2"; is "bridge $1" "$2" "$(row "$1" .state)"; }
is_drained() { [ "$(row "$1" '.queued + .inflight')" = 0 ]; }
bridges() { # the list, after what the configuration says otherwise
	sed -i '/^bridges:/,$d' "$dir/nightjar.yaml"
	[ $# = 0 ] || printf 'bridges:\n%s\n' "$1" >> "$dir/nightjar.yaml"
}
plain="
  - name: plain
    address: localhost:21883
    as: site
    retry_min: 200ms
    retry_max: 500ms
    topics:
      - { filter: '#', direction: out, qos: 2, local: out/, remote: site7/out/ }
      - { filter: '#', direction: in, qos: 2, local: in/, remote: site7/in/ }
      - { filter: 'both/#', direction: both, qos: 1 }"
older=${plain/    as/    protocol: v311
    as}

peer_conf plain 21883
peer_start plain
bridges "$plain"
succeeds "nightjar check takes it" gateway check
gateway_start --local mqtt=127.0.0.1:11883,as=bench
becomes plain connected
is "it speaks" 5.0 "$(row plain .version)"

# -- both ways, renamed ----------------------------------------------------------------------------------------------
rounds=0
both_ways() { # WHAT
	local q there=there$((++rounds)) here=here$rounds
	listen $there $THERE -R -t 'site7/#' -t 'both/#' -q 2
	listen $here $HERE -R -t 'in/#' -t 'both/#' -q 2
	for q in 0 1 2; do
		here_pub -t out/a/$q -m "to $q" -q $q
		there_pub -t site7/in/b/$q -m "from $q" -q $q
	done
	here_pub -t both/x -m ours -q 1
	there_pub -t both/y -m theirs -q 1
	within 5000 came $there 8
	within 5000 came $here 5
	sleep 0.3
	is "$1: what went out" "both/x 1 0 ours,both/y 1 0 theirs,site7/in/b/0 0 0 from 0,site7/in/b/1 1 0 from 1,site7/in/b/2 2 0 from 2,site7/out/a/0 0 0 to 0,site7/out/a/1 1 0 to 1,site7/out/a/2 2 0 to 2" \
		"$(got $there | sort | paste -sd,)"
	is "$1: what came in, and nothing came back" \
		"both/x 1 0 ours,both/y 1 0 theirs,in/b/0 0 0 from 0,in/b/1 1 0 from 1,in/b/2 2 0 from 2" \
		"$(got $here | sort | paste -sd,)"
}
both_ways "MQTT 5.0"
here_pub -t out/kept -m "a retained one" -q 1 -r
there_pub -t site7/in/kept -m "another" -q 1 -r
within 5000 is_drained plain
is "retained there" "a retained one" "$(in_gw timeout 5 mosquitto_sub $THERE -t site7/out/kept -C 1)"
is "retained here" another "$(in_gw timeout 5 mosquitto_sub $HERE -t in/kept -C 1)"
here_pub -t out/p -m x -q 1 -D publish content-type text/plain -D publish user-property k v
there_pub -t site7/nothing/here -m x # carried by no topic
is "counted" 6 "$(row plain .messages_out)"
is "counted in bytes" true "$(row plain '.bytes_out > 20')"
has "metrics" 'nightjar_bridge_up\{bridge="plain"\} 1' "$(gateway metrics)"
has "for people" 'plain +connected' "$(gateway mqtt bridges)"
is "its session here" '$bridge/plain' "$(gateway mqtt session site --application --json | jq -r .client)"
records() { gateway audit tail --count 100 --event "$1" --json | jq -r .detail; }
audited() { records "$1" | grep -qE "$2"; } # EVENT PATTERN
within 5000 audited bridge.up 'plain to localhost:21883: MQTT 5.0'
succeeds "it is audited" audited bridge.up 'plain to localhost:21883: MQTT 5.0'

# -- a message that the application may not publish ------------------------------------------------------------------
bridges "${plain/local: in\//local: elsewhere/}"
must gateway reload
becomes plain connected
there_pub -t site7/in/no -m x -q 1
is_refused() { [ "$(row plain .refused_in)" = 1 ]; }
within 5000 is_refused
is "what the application may not publish is refused" 1 "$(row plain .refused_in)"
bridges "$plain"
must gateway reload
becomes plain connected

# -- the peer is away ------------------------------------------------------------------------------------------------
# In 3.1.1: mosquitto_sub 2.0 stumbles over its own broker's window of QoS 2 in 5.0.
collect() { in_gw timeout 20 mosquitto_sub -V 311 $THERE -c -i collector -q 2 -t site7/out/queue "$@"; }
collect -E
peer_stop
is_away() { ! is_state plain connected; }
within 5000 is_away
for q in 1 2; do seq 200 | sed "s/^/$q /" | here_pub -t out/queue -q $q -l; done
is "what waits for it" 400 "$(row plain .queued)"
gateway_stop
gateway_start --local mqtt=127.0.0.1:11883,as=bench
is "what waits for it, after a start" 400 "$(row plain .queued)"
has "why" refused "$(row plain .error)"
peer_start plain
collect -C 400 > "$tmp/collected"
for q in 1 2; do
	is "QoS $q, in order" "$(seq 200 | md5sum)" "$(sed -n "s/^$q //p" "$tmp/collected" | md5sum)"
done
within 5000 is_drained plain
is "nothing is left" 0 "$(row plain .queued)"
within 5000 audited bridge.down plain
succeeds "it was audited" audited bridge.down plain

# -- MQTT 3.1.1, and the mark by which Mosquitto knows a bridge ------------------------------------------------------
bridges "$older"
must gateway reload
becomes plain connected
is "it speaks" 3.1.1 "$(row plain .version)"
both_ways "MQTT 3.1.1"

# -- TLS: CA, name, certificate; shared key --------------------------------------------------------------------------
certify() { # NAME SUBJECT [EXTENSION]
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tmp/$1.key" -out "$tmp/$1.csr" -subj "$2"
	openssl x509 -req -in "$tmp/$1.csr" -CA "$tmp/ca.pem" -CAkey "$tmp/ca.key" -days 2 -out "$tmp/$1.pem" \
		-extfile <(echo "${3:-basicConstraints=CA:FALSE}")
} 2> /dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tmp/ca.key" -out "$tmp/ca.pem" -days 2 \
	-subj /CN=test -addext basicConstraints=critical,CA:TRUE 2> /dev/null
certify server /CN=broker 'subjectAltName=DNS:localhost'
certify client /CN=site
openssl rand -hex 32 > "$tmp/psk"
echo "site:$(cat "$tmp/psk")" > "$tmp/psk.there"
echo "word" > "$tmp/password"
mosquitto_passwd -b -c "$tmp/passwords" site word
chmod 644 "$tmp"/passwords "$tmp"/*.key
peer_conf tls 28883 "cafile $tmp/ca.pem
certfile $tmp/server.pem
keyfile $tmp/server.key
require_certificate true
allow_anonymous false
password_file $tmp/passwords"
peer_conf shared 28884 "psk_hint x
psk_file $tmp/psk.there
use_identity_as_username true
allow_anonymous true"
peer_conf other 28885 "cafile $tmp/ca.pem
certfile $tmp/client.pem
keyfile $tmp/client.key
allow_anonymous true"
plain_peer=$peer
peer_start tls; tls_peer=$peer
peer_start shared
peer_start other
secure="
  - name: secure
    address: localhost:28883
    as: site
    tls: true
    ca_file: $tmp/ca.pem
    certificate_file: $tmp/client.pem
    key_file: $tmp/client.key
    username: site
    password_file: $tmp/password
    retry_max: 1s
    topics: [{ filter: tls, direction: out, local: out/, remote: '' }]"
secure=${secure/, remote: \'\'/}
shared="
  - name: shared
    address: 127.0.0.1:28884
    as: site
    tls: true
    psk_identity: site
    psk_file: $tmp/psk
    retry_max: 1s
    topics: [{ filter: tls, direction: out, local: out/ }]"
impostor="
  - name: impostor
    address: localhost:28885
    as: site
    tls: true
    ca_file: $tmp/ca.pem
    retry_max: 1s
    topics: [{ filter: tls, direction: out, local: out/ }]"
before=$(row plain .connects)
bridges "$older$secure$shared$impostor"
must gateway reload
becomes secure connected
becomes shared connected
is "a reload left the other bridge alone" "$before" "$(row plain .connects)"
listen tls -h localhost -p 28883 --cafile "$tmp/ca.pem" --cert "$tmp/client.pem" --key "$tmp/client.key" -u site -P word -t tls
listen shared -h localhost -p 28884 --psk-identity site --psk "$(cat "$tmp/psk")" -t tls
here_pub -t out/tls -m sealed -q 1
within 5000 came tls 1
within 5000 came shared 1
is "over TLS with certificates" "tls 0 0 sealed" "$(got tls)"
is "over TLS with a shared key" "tls 0 0 sealed" "$(got shared)"
has "a certificate of another name is not taken" 'tls-failed' "$(row impostor .error)"
is_waiting() { [ "$(row impostor .failures)" -ge 2 ]; }
within 5000 is_waiting
is "nothing went there" 0 "$(row impostor .messages_out)"

# -- what is wrong is refused whole ----------------------------------------------------------------------------------
cp "$dir/nightjar.yaml" "$tmp/good.yaml"
bad() { # WHAT PATTERN SED-EXPRESSION
	sed "$3" "$tmp/good.yaml" > "$dir/nightjar.yaml"
	refused "$1" "$2" gateway check
}
bad "a key's file that is not there" 'secure.*nothing.key' "s|client.key|nothing.key|"
bad "a key that is none" 'secure.*TLS' "s|client.key|ca.pem|"
bad "no topic filter" 'topics' "s|filter: tls|filter: 'a#'|"
bad "TLS without a way to know the peer" 'ca_file or psk_file' "/ca_file/d"
bad "a name twice" 'twice' "s|name: shared|name: secure|"
bad "an unknown key" 'unknown key' "s|retry_max: 1s|retries: 1s|"
refused "and so does a reload" 'unknown key' gateway reload
cp "$tmp/good.yaml" "$dir/nightjar.yaml"
is "nothing changed" connected "$(row secure .state)"

# -- a bridge that is taken away goes with its session; a password that changed -------------------------------------
bridges "$secure"
must gateway reload
sessions() { gateway mqtt session site --application --json | jq -r .client | sort | paste -sd,; }
is_alone() { [ "$(sessions)" = '$bridge/secure' ]; }
within 5000 is_alone
is "only its session is left" '$bridge/secure' "$(sessions)"
is "only it is left" secure "$(gateway mqtt bridges --json | jq -r .name)"
echo wrong > "$tmp/password"
must gateway reload
is_unwelcome() { row secure .error | grep -qE 'user name|authorized'; }
within 10000 is_unwelcome
has "the file was read again" 'user name|authorized' "$(row secure .error)"
bridges
must gateway reload
is "none is left" "no bridges" "$(gateway mqtt bridges)"
is_alone() { ! pgrep -P "$supervisor" -x nj-dialler > /dev/null; }
within 5000 is_alone
is "nor the dialler" "" "$(pgrep -P "$supervisor" -x nj-dialler)"
gateway_stop
finish
