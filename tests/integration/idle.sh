#!/usr/bin/env bash
# An idle gateway's memory: the proportional set size of its three processes, without devices and with 10,000.
set -u
. "$(dirname "$0")/lib.sh"
world
gateway_make
for count in 0 10000; do
	[ $count = 0 ] || must gateway device import --count $count --profile meter --out "$tmp/many"
	gateway_start
	sleep 2
	for process in $supervisor $keeper $worker; do
		echo "      $(< /proc/$process/comm): $(awk '/^Pss:/ { print $2 }' /proc/$process/smaps_rollup) kB"
	done
	at_most "idle with $count devices, kB" $((16 * 1024)) "$(pss_kb)"
	before=$(cpu_ms)
	sleep 2
	at_most "CPU in two idle seconds, ms" 40 $(($(cpu_ms) - before))
	gateway_stop
done
finish
