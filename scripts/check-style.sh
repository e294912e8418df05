#!/usr/bin/env bash
# The rules of docs/architecture.md that a machine can check. Prints each breach as file:line, fails if there is one.
set -euo pipefail
cd "$(dirname "$0")/.."

sources=()
for folder in src bpf sdk tests bench; do
	[ -d "$folder" ] && sources+=("$folder")
done

fail=0
breach() {
	printf '%s\n' "$*" >&2
	fail=1
}

# 1. Who may include whom: a folder includes itself and folders of lower levels.
while IFS= read -r line; do
	breach "$line"
done < <(
	find src -name '*.[ch]' | sort | xargs awk '
		BEGIN {
			level["base"] = 0
			level["crypto"] = level["store"] = 1
			level["identity"] = level["net"] = level["wire"] = 2
			level["bus"] = 3
			level["portal"] = level["edge"] = level["mqtt"] = level["sms"] = level["keeper"] = 4
			level["daemon"] = 5
			level["cli"] = 6
		}
		FNR == 1 { split(FILENAME, path, "/"); here = path[2] }
		/^#include "/ {
			split($2, quoted, "\""); split(quoted[2], part, "/"); there = part[1]
			if (quoted[2] ~ /\.skel\.h$/) next
			if (!(there in level)) { print FILENAME ":" FNR ": includes \"" quoted[2] "\", not a path from src/"; next }
			if (there != here && level[there] >= level[here])
				print FILENAME ":" FNR ": " here "/ may not include " there "/"
		}
		function only(pattern, library, folders) {
			if ($0 ~ pattern && FILENAME !~ folders)
				print FILENAME ":" FNR ": " library " may be included only where " folders " matches"
		}
		/^#include </ {
			only("<openssl/", "OpenSSL", "^src/crypto/|^src/net/tls[a-z_]*\\.[ch]$")
			only("<sodium", "libsodium", "^src/crypto/")
			only("<sqlite3", "SQLite", "^src/store/sqlite/")
			only("<bpf/", "libbpf", "^src/keeper/cloak/|^bpf/")
			only("<yaml", "libyaml", "^src/base/config/")
			only("<seccomp", "libseccomp", "^src/daemon/")
		}'
)

# 2. No function over 120 lines (body with its braces; tables do not open with a brace in column one).
while IFS= read -r line; do
	breach "$line"
done < <(
	find "${sources[@]}" -name '*.[ch]' | sort | xargs awk '
		/^{/ { start = FNR }
		/^}/ && start { n = FNR - start + 1; if (n > 120) print FILENAME ":" start ": a function of " n " lines (at most 120)"; start = 0 }'
)

# 3. Shape: no file over 900 lines, no header over 200, formatted as .clang-format says.
while IFS= read -r file; do
	lines=$(wc -l <"$file")
	[ "$lines" -le 900 ] || breach "$file: $lines lines: more than one thing in a room"
	case $file in *.h) [ "$lines" -le 200 ] || breach "$file: a header of $lines lines" ;; esac
done < <(find src -name '*.[ch]' | sort)

if command -v clang-format >/dev/null; then
	find "${sources[@]}" -name '*.[ch]' | sort | xargs clang-format --dry-run -Werror || fail=1
else
	breach "clang-format is missing: make deps"
fi

# 4. Sources hold no scaffolding.
if grep -rnE '\b(TODO|FIXME|XXX|HACK)\b' src bpf sdk scripts cmake --include='*' 2>/dev/null | grep -v 'scripts/check-style.sh'; then
	breach "unfinished notes in the sources"
fi

[ "$fail" -eq 0 ] && echo "style: clean"
exit "$fail"
