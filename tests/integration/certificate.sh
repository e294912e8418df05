#!/usr/bin/env bash
# Client certificates: of the built-in CA and of a customer's own, by TLS 1.3 and 1.2; a key alone does not bind where
# the profile wants a certificate; what is revoked is cut within a second.
set -u
. "$(dirname "$0")/lib.sh"
world nmap mosquitto_pub mosquitto_sub openssl
gateway_make
must gateway profile set certified --publish 'dev/{device}/#' --subscribe 'cmd/{device}/#' --bind certificate
must gateway profile set older --publish 'dev/{device}/#' --bind certificate --tls-floor 1.2
must gateway profile set mixed --publish 'dev/{device}/#' --bind either
CERT="-h {host} -p {port} --cafile {ca} --cert {cert} --key {certkey}"
add() { must gateway device add "$1" --profile "$2" --out "$tmp/$1.cred"; } # NAME PROFILE
add c1 certified
add c2 certified
add old older
add both mixed
enrol application office
enrol device plainkey

# NAME [OPTIONS]: a device publishes with its certificate
certified() {
	local name=$1
	shift
	knock "$name" $GW4 timeout 10 mosquitto_pub $CERT -t "dev/$name/temp" -m x "$@" 2> "$tmp/publish.err"
}
# NAME OPTIONS: a TLS handshake with the certificate in the credentials, by openssl; what it says
handshake() {
	local name=$1
	shift
	knock "$name" $GW4 timeout 5 openssl s_client -connect {host}:{port} -CAfile {ca} -cert {cert} -key {certkey} \
		-verify_return_error "$@" < <(sleep 1) 2>&1
}

# While no grant of a certified device is open: the gateway shows a certificate to nobody.
test_psk_alone() {
	has "a psk profile's grant shows no certificate" 'no peer certificate available' \
		"$(knock plainkey $GW4 timeout 5 openssl s_client -connect {host}:{port} < /dev/null 2>&1)"
}

test_built_in() {
	has "the credentials hold a certificate" '^cert:' "$(< "$tmp/c1.cred")"
	has "and its key" 'BEGIN PRIVATE KEY' "$(< "$tmp/c1.cred")"
	subscribe office $GW4 'dev/#' -C 1 -W 10
	succeeds "a device publishes with its certificate" certified c1
	wait $subscriber
	has "the message arrives" '^got dev/c1/temp x' "$(< "$tmp/office.got")"
	has "the issue is audited" '"event":"certificate.issued"' \
		"$(gateway audit tail --event certificate.issued --subject c1 --json)"
	has "TLS 1.3 it was" 'Protocol +: TLSv1.3|TLSv1.3, Cipher' "$(handshake c1)"
	succeeds "either: the key binds" publish both $GW4 dev/both/temp 1
	succeeds "either: the certificate binds" certified both
}

test_refusals() {
	is "the key alone does not bind" 1 "$(publish c1 $GW4 dev/c1/temp 1; [ $? = 0 ]; echo $?)"
	is "without a certificate nobody gets in" 1 \
		"$(knock c1 $GW4 timeout 5 mosquitto_pub -h {host} -p {port} --cafile {ca} -t dev/c1/temp -m x 2> /dev/null
		[ $? = 0 ]; echo $?)"
	sed -n '/^cert:/,/END CERT/p' "$tmp/c2.cred" | sed 's/^  //; /^cert/d' > "$tmp/c2.pem"
	sed -n '/^cert-key:/,/END PRIV/p' "$tmp/c2.cred" | sed 's/^  //; /^cert/d' > "$tmp/c2.key"
	is "another device's certificate does not bind" 1 \
		"$(knock c1 $GW4 timeout 5 mosquitto_pub -h {host} -p {port} --cafile {ca} --cert "$tmp/c2.pem" \
		--key "$tmp/c2.key" -t dev/c1/temp -m x 2> /dev/null; [ $? = 0 ]; echo $?)"
	has "and is audited" 'names no device that has knocked' "$(gateway audit tail --event bind.failed --count 5 --json)"
	succeeds "a certificate without the knock's profile" gateway status
	dark "after refusals"
}

test_tls12() {
	local said
	said=$(handshake c1 -tls1_2)
	has "a floor of 1.3: TLS 1.2 meets no answer" 'no peer certificate available|errno' "$said"
	said=$(handshake old -tls1_2)
	has "a floor of 1.2: TLS 1.2 with a certificate" 'Verify return code: 0' "$said"
	has "with forward secrecy and AEAD" 'Cipher +: ECDHE-ECDSA-(AES|CHACHA)' "$said"
	has "with the extended master secret" 'Extended master secret: yes' "$said"
	has "without a session to resume" 'TLS session ticket:|Session-ID: $' "$(grep 'Session-ID:' <<< "$said")"
	lacks "no ticket is given" 'TLS session ticket' "$said"
	said=$(knock old $GW4 timeout 5 openssl s_client -connect {host}:{port} -tls1_2 -cert {cert} -key {certkey} \
		-cipher AES128-SHA256:ECDHE-ECDSA-AES128-SHA256 < /dev/null 2>&1)
	has "no suite without AEAD" 'Cipher is \(NONE\)' "$said"
	has "what its hello offered is known" '"versions":\["TLSv1.2"\].*"proof":"certificate"|"proof":"certificate".*"versions":\["TLSv1.2"\]' \
		"$(gateway device show old --json)"
	succeeds "a floor of 1.2: TLS 1.3 does as well" certified old
	has "and what was agreed newly" 'TLS version +TLSv1.3' "$(gateway device show old)"
}

test_revoke() {
	local start
	: > "$tmp/c1.got"
	knock c1 $GW4 stdbuf -oL mosquitto_sub -d $CERT -t 'cmd/c1/#' --will-topic dev/c1/will --will-payload w \
		-k 60 > "$tmp/c1.got" 2>&1 &
	subscriber=$!
	within 5000 grep -q '^Subscribed' "$tmp/c1.got"
	start=$(now_ms)
	must gateway ca revoke c1
	within 3000 gone c1
	at_most "a revoked certificate's session is cut, milliseconds" "$(soon 1000)" $(($(now_ms) - start))
	kill $subscriber 2> /dev/null
	wait $subscriber 2> /dev/null
	is "it binds no more" 1 "$(certified c1; [ $? = 0 ]; echo $?)"
	has "and is audited" 'certificate revoked' "$(gateway audit tail --event bind.failed --count 3 --json)"
	succeeds "another's certificate is as good as before" certified c2
	has "the list names it" 'Serial Number' "$(gateway ca crl | openssl crl -noout -text)"
	refused "twice is an error" 'revoked already' gateway ca revoke c1
}
gone() { gateway audit tail --event session.cut --count 5 --json | grep -q "\"subject\":\"$1\""; }

# A customer's own CA: names its devices by common name.
own_ca() { # NAME: $tmp/NAME.{pem,key}
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tmp/$1.key" -out "$tmp/$1.pem" \
		-days 2 -subj "/CN=$1" -addext basicConstraints=critical,CA:TRUE \
		-addext keyUsage=critical,keyCertSign,cRLSign 2> /dev/null
}
leaf() { # CA NAME SERIAL: $tmp/CA-NAME.{pem,key}
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tmp/$1-$2.key" -subj "/CN=$2" 2> /dev/null |
		openssl x509 -req -CA "$tmp/$1.pem" -CAkey "$tmp/$1.key" -set_serial "$3" -days 1 \
			-extfile <(echo extendedKeyUsage=clientAuth) -out "$tmp/$1-$2.pem" 2> /dev/null
}
crl() { # CA FILE [SERIAL]
	local work
	work=$(mktemp -d "$tmp/ca.XXXX")
	: > "$work/index"
	echo 01 > "$work/number"
	[ -z "${3:-}" ] || printf 'R\t401231235959Z\t260101000000Z\t%02X\tunknown\t/CN=x\n' "$3" > "$work/index"
	printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index\ncrlnumber=%s/number\ndefault_md=sha256\n' "$work" "$work" > "$work/conf"
	openssl ca -config "$work/conf" -gencrl -keyfile "$tmp/$1.key" -cert "$tmp/$1.pem" -crldays 1 -out "$2" 2> "$work/err"
}
with_own() { # NAME FILE [OPTIONS]
	local name=$1 file=$2
	shift 2
	knock "$name" $GW4 timeout 10 mosquitto_pub -h {host} -p {port} --cafile {ca} --cert "$tmp/$file.pem" \
		--key "$tmp/$file.key" -t "dev/$name/temp" -m x "$@" 2> "$tmp/publish.err"
}

test_renewal() {
	local old
	cp "$tmp/c2.cred" "$tmp/old.cred"
	old=$(sed -n '/^cert:/,/END CERT/p' "$tmp/c2.cred")
	refused "into another's file" 'is the file of device "c2"' \
		gateway device certificate both --credentials "$tmp/c2.cred"
	refused "nowhere" 'either --credentials' gateway device certificate c2
	succeeds "a new certificate" gateway device certificate c2 --credentials "$tmp/c2.cred"
	is "it is another one" 1 "$([ "$old" != "$(sed -n '/^cert:/,/END CERT/p' "$tmp/c2.cred")" ] && echo 1)"
	is "the rest of the file is as it was" "$(sed '/^cert/,$d' "$tmp/old.cred" | sha256sum)" \
		"$(sed '/^cert/,$d' "$tmp/c2.cred" | sha256sum)"
	succeeds "it binds" certified c2
	split old
	succeeds "the old one lapses, and binds until then" with_own c2 split-old
	succeeds "with --revoke-old" gateway device certificate c2 --out "$tmp/c2.new.pem" --revoke-old
	is "the old one binds no more" 1 "$(with_own c2 split-old; [ $? = 0 ]; echo $?)"
	is "nor the one that came between" 1 "$(certified c2; [ $? = 0 ]; echo $?)"
	cp "$tmp/c2.new.pem" "$tmp/split-new.pem"
	cp "$tmp/c2.new.pem" "$tmp/split-new.key"
	succeeds "the new one does" with_own c2 split-new
	is "mode of the file" 600 "$(stat -c %a "$tmp/c2.new.pem")"
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tmp/split-own.key" \
		-subj /CN=whatever -out "$tmp/own.csr" 2> /dev/null
	succeeds "for a key of its own" gateway device certificate c2 --csr "$tmp/own.csr" --out "$tmp/split-own.pem"
	succeeds "it binds" with_own c2 split-own
	gateway_stop
	succeeds "with the gateway stopped" gateway device certificate c2 --credentials "$tmp/c2.cred"
	gateway_start
	succeeds "it binds" certified c2
}
# NAME: certificate and key of $tmp/NAME.cred as PEM, split-NAME
split() {
	sed -n '/^cert:/,/END CERT/p' "$tmp/$1.cred" | sed 's/^  //; /^cert/d' > "$tmp/split-$1.pem"
	sed -n '/^cert-key:/,/END PRIV/p' "$tmp/$1.cred" | sed 's/^  //; /^cert/d' > "$tmp/split-$1.key"
}

test_import() {
	succeeds "many at once" gateway device import --count 103 --prefix m --profile certified --out "$tmp/many"
	is "a file each" 103 "$(ls "$tmp/many" | wc -l)"
	is "with a certificate each" 103 "$(grep -l "^cert:" "$tmp/many"/* | wc -l)"
	is "and a key of its own" 103 "$(sed -n '/BEGIN PRIV/{n;p;n;p}' "$tmp/many"/*.cred | paste - - | sort -u | wc -l)"
	cp "$tmp/many/m103.cred" "$tmp/m103.cred"
	succeeds "one of them binds" certified m103
	succeeds "run again" gateway device import --count 103 --prefix m --profile certified --out "$tmp/many"
}

test_customer_ca() {
	own_ca mine
	own_ca theirs
	leaf mine c2 7
	leaf theirs c2 7
	leaf mine other 8
	is "before: a foreign CA's certificate" 1 "$(with_own c2 mine-c2; [ $? = 0 ]; echo $?)"
	refused "a certificate that is no CA's" 'nothing is changed.*not a CA' gateway customer ca set --file "$tmp/mine-c2.pem"
	succeeds "a customer's CA is set" gateway customer ca set --file "$tmp/mine.pem"
	succeeds "its certificate binds" with_own c2 mine-c2
	is "another CA's does not" 1 "$(with_own c2 theirs-c2; [ $? = 0 ]; echo $?)"
	is "nor another name's" 1 "$(with_own c2 mine-other; [ $? = 0 ]; echo $?)"
	is "nor the built-in CA's any more" 1 "$(certified c2; [ $? = 0 ]; echo $?)"
	crl mine "$tmp/empty.crl"
	crl mine "$tmp/seven.crl" 7
	crl theirs "$tmp/theirs.crl"
	refused "a list of another CA is refused" 'nothing is changed.*not signed by this CA' \
		gateway customer crl set --file "$tmp/theirs.crl"
	echo nonsense > "$tmp/bad.crl"
	refused "nonsense is refused" 'nothing is changed.*PEM' gateway customer crl set --file "$tmp/bad.crl"
	succeeds "an empty list is set" gateway customer crl set --file "$tmp/empty.crl"
	: > "$tmp/c2.got"
	knock c2 $GW4 stdbuf -oL mosquitto_sub -d -h {host} -p {port} --cafile {ca} --cert "$tmp/mine-c2.pem" \
		--key "$tmp/mine-c2.key" -t 'cmd/c2/#' > "$tmp/c2.got" 2>&1 &
	subscriber=$!
	within 5000 grep -q '^Subscribed' "$tmp/c2.got"
	succeeds "a new CA and list cut no session" gateway customer ca set --file "$tmp/mine.pem" --crl "$tmp/empty.crl"
	is "it is still there" 0 "$(gone c2; [ $? = 0 ] && echo 1 || echo 0)"
	start=$(now_ms)
	must gateway customer crl set --file "$tmp/seven.crl"
	within 3000 gone c2
	at_most "a revoked certificate's session is cut, milliseconds" "$(soon 1000)" $(($(now_ms) - start))
	kill $subscriber 2> /dev/null
	wait $subscriber 2> /dev/null
	is "it binds no more" 1 "$(with_own c2 mine-c2; [ $? = 0 ]; echo $?)"
	gateway_stop
	gateway_start
	is "nor after a restart" 1 "$(with_own c2 mine-c2; [ $? = 0 ]; echo $?)"
	succeeds "the CA is removed" gateway customer ca remove
	succeeds "the built-in CA certifies again" certified c2
}

lacks() { # WHAT PATTERN TEXT
	if grep -qE -- "$2" <<< "$3"; then
		echo "WRONG $1: did not expect /$2/ in '$3'"
		failures=$((failures + 1))
	else
		echo "ok    $1"
	fi
}

gateway_start
dark "before"
test_psk_alone
test_built_in
test_refusals
test_tls12
test_revoke
test_renewal
test_import
test_customer_ca
gateway_stop
has "all is recorded" '^whole' "$(gateway audit verify)"
finish
