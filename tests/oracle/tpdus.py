#!/usr/bin/env python3
"""TPDUs of ours, as tshark reads them: the same sender, text, reference, parts and port, and nothing malformed.

usage: tpdus.py PROGRAM        exit status 77: tshark or text2pcap is not installed
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

if not shutil.which("tshark") or not shutil.which("text2pcap"):
    sys.exit(77)

# No link type carries a TPDU alone: a private one is told to.
LINK = 'uat:user_dlts:"User 0 (DLT=147)","gsm_sms","0","","0",""'
FIELDS = ["gsm_sms.tp-oa", "gsm_sms.sms_text", "gsm_sms.udh.mm.msg_id", "gsm_sms.udh.mm.msg_parts",
          "gsm_sms.udh.mm.msg_part", "gsm_sms.destination_port"]


def view(octets, folder):
    dump, capture = folder / "tpdus.txt", folder / "tpdus.pcap"
    dump.write_text("".join(f"000000 {bytes.fromhex(o).hex(' ')}\n" for o in octets))
    subprocess.run(["text2pcap", "-q", "-l", "147", str(dump), str(capture)], check=True, capture_output=True)
    command = ["tshark", "-r", str(capture), "-o", LINK, "-T", "json", "-e", "_ws.malformed", "-e", "_ws.expert.message"]
    for field in FIELDS:
        command += ["-e", field]
    done = subprocess.run(command, check=True, capture_output=True)
    return [packet["_source"].get("layers", {}) for packet in json.loads(done.stdout)]


def number(text):
    return int(text, 0) if text else 0


def main():
    lines = subprocess.run([sys.argv[1]], check=True, capture_output=True).stdout.decode()
    # Not splitlines: texts hold what it takes for the end of a line.
    rows = [line.split("\t") for line in lines.split("\n") if line]
    with tempfile.TemporaryDirectory() as folder:
        seen = view([row[0] for row in rows], pathlib.Path(folder))
    wrong = 0
    for row, layers in zip(rows, seen, strict=True):
        # With its last part tshark shows the whole message, a text for each part.
        got = [layers.get(field, [""])[-1] for field in FIELDS]
        got = got[:2] + [number(value) for value in got[2:]]
        want = row[1:3] + [int(value) for value in row[3:]]
        bad = layers.get("_ws.malformed") or layers.get("_ws.expert.message")
        if got != want or bad:
            wrong += 1
            print(f"{row[0]}\n  tshark {got} {bad or ''}\n  ours   {want}")
    print(f"{len(rows)} TPDUs, {wrong} wrong")
    return 1 if wrong or len(rows) < 80 else 0


sys.exit(main())
