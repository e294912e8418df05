#!/usr/bin/env bash
# An idle gateway's memory, as the proportional set size of its three processes: 16 MB, also with 10,000 devices.
set -u
. "$(dirname "$0")/lib.sh"
world
gateway_make

idle() { # COUNT LIMIT-IN-KB
	local process before
	gateway_start
	sleep 2
	for process in $supervisor $keeper $worker; do
		echo "      $(< /proc/$process/comm): $(awk '/^Pss:/ { print $2 }' /proc/$process/smaps_rollup) kB"
	done
	kb=$(pss_kb)
	at_most "idle with $1 devices, kB" "$2" "$kb"
	before=$(cpu_ms)
	sleep 2
	at_most "CPU in two idle seconds, ms" 40 $(($(cpu_ms) - before))
	gateway_stop
}

idle 0 $((16 * 1024))
must gateway device import --count 10000 --profile meter --out "$tmp/many"
idle 10000 $((16 * 1024))
finish
