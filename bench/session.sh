#!/usr/bin/env bash
# What a session costs from the knock to the first acknowledged message: by one-time key (PSK) and by certificate, TLS
# 1.3 both. Needs root. NJ_BENCH_SESSIONS each (default 100), one after the other. CPU is of our processes, without the
# client; times are of the client, its start included, and without the wait that a device makes after its knock.
set -u
cd "$(dirname "$0")/.." || exit 1
export NJ_BUILD=${NJ_BUILD:-$PWD/build/release}
. tests/integration/lib.sh
world mosquitto_pub
sessions=${NJ_BENCH_SESSIONS:-100}
CERT="-h {host} -p {port} --cafile {ca} --cert {cert} --key {certkey}"

cpu_ns() { awk '{ s += $1 } END { print s }' "/proc/$1/schedstat"; }

cat > "$tmp/timed" <<'END'
from=$EPOCHREALTIME
"$@" || exit
to=$EPOCHREALTIME
echo $(((${to/./} - ${from/./}))) >> "$TIMES"
END

run() { # NAME DEVICE CONNECT-OPTIONS…
	local name=$1 device=$2 gateway_cpu keeper_cpu done=0
	shift 2
	export TIMES=$tmp/times
	rm -f "$TIMES"
	gateway_cpu=$(cpu_ns $worker) keeper_cpu=$(cpu_ns $keeper)
	while [ $done -lt "$sessions" ]; do
		knock "$device" $GW4 bash "$tmp/timed" mosquitto_pub "$@" -q 1 -t "dev/$device/t" -m 1 || break
		done=$((done + 1))
	done
	gateway_cpu=$(($(cpu_ns $worker) - gateway_cpu)) keeper_cpu=$(($(cpu_ns $keeper) - keeper_cpu))
	[ $done = 0 ] && { echo "$name: no session"; return; }
	sort -n "$TIMES" | awk -v name="$name" -v n=$done -v g=$gateway_cpu -v k=$keeper_cpu '
		{ t[NR] = $1 / 1000 }
		END { printf "%-12s %4d sessions  gateway %5.2f ms CPU  keeper %5.2f ms CPU  connect to PUBACK %6.1f ms median, %6.1f ms at 95 %%\n",
			name, n, g / n / 1e6, k / n / 1e6, t[int((NR + 1) / 2)], t[int(NR * 0.95 + 0.5)] }'
}

gateway_make
sed -i -E 's/^( +rate_device_refill:) .*/\1 100ms/; s/^( +rate_device_burst:) .*/\1 255/' "$dir/nightjar.yaml"
must gateway profile set certified --publish 'dev/{device}/#' --bind certificate
enrol device key
must gateway device add cert --profile certified --out "$tmp/cert.cred"
gateway_start
run psk key $PSK
run certificate cert $CERT
gateway_stop > "$tmp/said"
finish > "$tmp/said"
