#!/usr/bin/env bash
# Certificate, CA and revocation list change under sessions that stand, by TLS 1.3 with a key, by 1.3 and 1.2 with a
# certificate: what is new holds for new handshakes, and no session is cut, or even notices.
set -u
. "$(dirname "$0")/lib.sh"
world mosquitto_pub mosquitto_sub openssl
gateway_make
must gateway profile set certified --publish 'dev/{device}/#' --subscribe 'cmd/{device}/#' --bind certificate
must gateway profile set older --publish 'dev/{device}/#' --subscribe 'cmd/{device}/#' --bind certificate --tls-floor 1.2
CERT="-h {host} -p {port} --cafile {ca} --cert {cert} --key {certkey}"
enrol device bykey
enrol application office # comes by a local listener: it tells the others, and does not knock each time
for name in c13 other; do must gateway device add $name --profile certified --out "$tmp/$name.cred"; done
for name in c12 older; do must gateway device add $name --profile older --out "$tmp/$name.cred"; done
LISTENERS="bykey c13 c12"

stands() { # NAME OPTIONS: a session that stands through all of it
	local name=$1
	shift
	: > "$tmp/$name.got"
	knock "$name" $GW4 timeout 120 stdbuf -oL mosquitto_sub -d -k 20 -F 'got %p' -t "cmd/$name/#" "$@" > "$tmp/$name.got" 2>&1 &
	within 10000 grep -q '^Subscribed' "$tmp/$name.got"
}
# What has come to each of them, and how often it connected.
heard() { for name in $LISTENERS; do echo "$name:$(grep -c '^got' "$tmp/$name.got"):$(grep -c 'CONNACK' "$tmp/$name.got")"; done | paste -sd' '; }
told() { [ "$(heard)" = "bykey:$1:1 c13:$1:1 c12:$1:1" ]; }
round=0
all_stand() { # WHAT
	round=$((round + 1))
	for name in $LISTENERS; do in_gw mosquitto_pub -h 127.0.0.1 -p 11883 -t "cmd/$name/x" -m "$round" -q 1; done
	within 5000 told $round
	is "$1: every session stands, and hears" "bykey:$round:1 c13:$round:1 c12:$round:1" "$(heard)"
}
# The certificate that the gateway shows to a device with one, by its number.
shown() { # NAME OPTIONS
	local name=$1
	shift
	knock "$name" $GW4 timeout 5 openssl s_client -connect {host}:{port} -CAfile {ca} -cert {cert} -key {certkey} \
		-verify_return_error "$@" < <(sleep 0.3) 2> /dev/null | openssl x509 -noout -serial 2> /dev/null
}
own_ca() { # $tmp/mine.{pem,key}, a list that names number 77, a certificate for "other"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tmp/mine.key" -out "$tmp/mine.pem" \
		-days 2 -subj /CN=mine -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2> /dev/null
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tmp/own.key" -subj /CN=other 2> /dev/null |
		openssl x509 -req -CA "$tmp/mine.pem" -CAkey "$tmp/mine.key" -set_serial 7 -days 1 \
			-extfile <(echo extendedKeyUsage=clientAuth) -out "$tmp/own.pem" 2> /dev/null
	: > "$tmp/index" && echo 01 > "$tmp/number"
	printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index\ncrlnumber=%s/number\ndefault_md=sha256\n' "$tmp" "$tmp" > "$tmp/conf"
	crl none
	printf 'R\t401231235959Z\t260101000000Z\t4D\tunknown\t/CN=x\n' > "$tmp/index"
	crl some
}
crl() {
	openssl ca -config "$tmp/conf" -gencrl -keyfile "$tmp/mine.key" -cert "$tmp/mine.pem" -crldays 1 -out "$tmp/$1.crl" 2> /dev/null
}

gateway_start --local mqtt=127.0.0.1:11883,as=office
stands bykey $PSK
stands c13 $CERT
stands c12 $CERT --tls-version tlsv1.2
all_stand "at first"
old=$(shown other)
has "the gateway has a certificate" '^serial=' "$old"

succeeds "a new one" gateway ca renew
new=$(shown other)
is "is shown to new connections" 1 "$([ -n "$new" ] && [ "$new" != "$old" ] && echo 1)"
is "of TLS 1.2, too" "$new" "$(shown older -tls1_2)"
all_stand "certificate"
is "by whom is in the audit" 1 \
	"$(gateway audit tail --event certificate.issued --json | grep '"detail":"server"' | grep -c 'uid')"

succeeds "another device's certificate is revoked: a new list" gateway ca revoke older
all_stand "revocation list of the built-in CA"
is "the new list holds" 1 "$(knock older $GW4 timeout 5 mosquitto_pub $CERT -t dev/older/t -m x 2> /dev/null; [ $? = 0 ]; echo $?)"

own_ca
succeeds "a customer's own CA" gateway customer ca set --file "$tmp/mine.pem" --crl "$tmp/none.crl"
all_stand "CA"
succeeds "the new CA holds" knock other $GW4 timeout 10 mosquitto_pub -h {host} -p {port} --cafile {ca} --cert "$tmp/own.pem" \
	--key "$tmp/own.key" -t dev/other/t -m x
succeeds "its next list" gateway customer crl set --file "$tmp/some.crl"
all_stand "revocation list of a customer's CA"

kill -9 "$keeper"
last=$keeper
again() { children && [ "$keeper" != "$last" ] && gateway status --json | jq -e .keeper.gateway_connected > /dev/null; }
within 10000 again
all_stand "a new keeper, which brings all of it again"
succeeds "the CA is removed" gateway customer ca remove
is "the certificate is still the new one" "$new" "$(shown other)"
all_stand "at last"
is "no session was cut" 0 "$(gateway audit tail --event session.cut --json | wc -l)"
gateway_stop
succeeds "renewed while it is stopped" gateway ca renew
gateway_start
is "it comes with the start" 1 "$([ "$(shown other)" != "$new" ] && echo 1)"
gateway_stop
finish
