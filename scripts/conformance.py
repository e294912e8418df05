#!/usr/bin/env python3
"""Does docs/protocol/mqtt-conformance.md hold? Each number once, each test that it names there, page and conversations of
tests/vectors/mqtt.txt naming each other. Prints what is wrong and how much is open; --open lists that."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/protocol/mqtt-conformance.md"
VECTORS = ROOT / "tests/vectors/mqtt.txt"
COUNTS = {"5": 251, "3": 141}
wrong = []


def conversations():
    """Title of each, with the statements that it says it shows."""
    titles, title = {}, None
    for line in VECTORS.read_text().splitlines():
        if line.startswith("== "):
            title = line[3:]
            if title in titles:
                wrong.append(f"two conversations are called “{title}”")
            titles[title] = {"5": set(), "3": set()}
        elif title and re.match(r"[53]: ", line):
            titles[title][line[0]].update(line[3:].split())
    return titles


def rows():
    """(version, number, last column) of each row of the page."""
    version = None
    for line in PAGE.read_text().splitlines():
        if line.startswith("## MQTT "):
            version = line[8]
        row = re.match(r"\| (\d+\.\d+\.\d+-\d+) \|.*\| ([^|]*) \|$", line)
        if row:
            yield version, row.group(1), row.group(2)


def check_name(version, number, name, titles):
    if name.startswith("“"):
        if name[1:-1] not in titles:
            wrong.append(f"{version}: {number}: no conversation {name}")
    elif name.startswith("`integration/"):
        if not (ROOT / "tests" / name.strip("`")).exists():
            wrong.append(f"{version}: {number}: no {name}")
    elif name.startswith("`test_"):
        file, function = re.match(r"`(test_\w+\.c)`: (\w+)", name).groups()
        path = next((ROOT / "tests/unit").glob(f"*/{file}"), ROOT / file)
        if not path.exists() or not re.search(rf"cmocka_unit_test\w*\({function}\b", path.read_text()):
            wrong.append(f"{version}: {number}: no {function} in {file}")
    elif not name.startswith(("a client’s duty", "does not apply: ", "**open**")):
        wrong.append(f"{version}: {number}: what is {name}?")


def main():
    titles, seen, still_open = conversations(), {"5": {}, "3": {}}, []
    for version, number, shown in rows():
        if number in seen[version]:
            wrong.append(f"{version}: {number} stands twice")
        names = shown.split(" · ")
        seen[version][number] = {name[1:-1] for name in names if name.startswith("“")}
        if "**open**" in names:
            still_open.append(f"{version}: {number}")
        for name in names:
            check_name(version, number, name, titles)
    for title, statements in titles.items():
        for version in statements:
            for number in statements[version]:
                if title not in seen[version].get(number, ()):
                    wrong.append(f"“{title}” shows {version}: {number}, which the page does not say")
    for version, count in COUNTS.items():
        if len(seen[version]) != count:
            wrong.append(f"{version}: {len(seen[version])} statements, not {count}")
    print(*wrong, sep="\n", end="\n" if wrong else "")
    if "--open" in sys.argv:
        print(*still_open, sep="\n")
    print(f"{sum(map(len, seen.values()))} statements, {len(still_open)} open, {len(titles)} conversations, "
          f"{len(wrong)} wrong")
    return 1 if wrong else 0


sys.exit(main())
