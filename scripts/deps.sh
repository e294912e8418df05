#!/usr/bin/env bash
# Installs what Nightjar needs on Debian 12: `deps.sh run` for a build and a run, `deps.sh test` for the peers of tests
# and benchmarks. Asks nothing, installs only what is missing, starts no daemon. --quiet says nothing when all is there.
set -euo pipefail

run_packages=(
	build-essential cmake ninja-build pkg-config clang llvm clang-format libclang-rt-14-dev bpftool
	libssl-dev libsodium-dev libsqlite3-dev libyaml-dev libjansson-dev libseccomp-dev libbpf-dev libelf-dev zlib1g-dev
	libnftables-dev libcap-dev libcmocka-dev mosquitto-clients iproute2 nmap
)
test_packages=(python3 openssl sqlite3 jq mosquitto libcap2-bin procps spin fwknop-server fwknop-client iptables nftables libpaho-mqtt-dev
	libosmocore-dev python3-phonenumbers tshark libnet-smpp-perl haproxy)

what=${1:-run}
quiet=${2:-}
case $what in
run) packages=("${run_packages[@]}") ;;
test) packages=("${test_packages[@]}") ;;
*)
	echo "usage: deps.sh run|test [--quiet]" >&2
	exit 64
	;;
esac

if ! command -v dpkg-query >/dev/null; then
	echo "This script knows Debian 12. Elsewhere install the counterparts of: ${packages[*]}" >&2
	exit 69
fi

# The test's clients from npm, by their lock file. Without Node.js, or without a registry, what needs them is skipped.
npm_peers() {
	local folder
	folder=$(cd "$(dirname "$0")/../tests/integration/npm" && pwd)
	[ "$what" = test ] && command -v npm >/dev/null && [ ! -d "$folder/node_modules/smpp" ] || return 0
	echo "Installing npm's mqtt and smpp"
	npm ci --prefix "$folder" --no-audit --no-fund --ignore-scripts >/dev/null 2>&1 ||
		echo "npm's mqtt and smpp cannot be installed: tests with them are skipped" >&2
}

missing=()
for package in "${packages[@]}"; do
	[ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null)" = "ii " ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
	npm_peers
	[ -n "$quiet" ] || echo "Everything for '$what' is installed."
	exit 0
fi

root=()
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "Missing: ${missing[*]}" >&2
		echo "Install them as root: apt-get install --no-install-recommends ${missing[*]}" >&2
		exit 77
	fi
	root=(sudo)
fi

# Packages must not start daemons of theirs: a policy script says no while they install, and goes away again.
policy=/usr/sbin/policy-rc.d
made_policy=
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee $policy >/dev/null
	"${root[@]}" chmod 755 $policy
	made_policy=yes
fi
finish() {
	if [ -n "$made_policy" ]; then "${root[@]}" rm -f $policy; fi
}
trap finish EXIT

echo "Installing: ${missing[*]}"
log=$(mktemp)
install() {
	"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
		-o Dpkg::Options::=--force-confold "${missing[@]}" >"$log" 2>&1
}
update() {
	"${root[@]}" apt-get update >"$log" 2>&1
}
if ! { update && install; }; then
	tail -n 20 "$log" >&2
	echo "Installing failed; the whole log is $log" >&2
	exit 69
fi
rm -f "$log"
npm_peers
echo "Done."
