"""Single packets for the tests of guard and perimeter. In a namespace, as root:
raw.py hear udp ADDRESS PORT      says "hearing", then "got" for each datagram, which it answers
raw.py hear icmp|icmp6            says "hearing", then "got TYPE CODE" for each message that passed the input hook
raw.py serve ADDRESS PORT         a TCP service that prints what it is told, and speaks up now and then
raw.py hold FROM ADDRESS PORT     a connection that sends each line of standard input
raw.py ask ADDRESS PORT           prints what answers a datagram, or "silence"
raw.py udp FROM FROM-PORT TO PORT sends one
raw.py icmp|icmp6 TO TYPE CODE    sends one, with a piece of a packet in it
raw.py syn6 FROM TO FIRST LAST    a SYN to each port, in two fragments
"""
import os
import socket
import struct
import sys
import threading
import time


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def udp(address, port):
    s = socket.socket(family(address), socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(socket.getaddrinfo(address, port)[0][4])
    return s


def raw(kind):
    six = kind == "icmp6"
    return socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW,
                         socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def hear(kind, *where):
    s = udp(where[0], int(where[1])) if kind == "udp" else raw(kind)
    print("hearing", flush=True)
    while True:
        data, peer = s.recvfrom(2048)
        if kind == "udp":
            print("got", flush=True)
            s.sendto(data, peer)
        else:
            at = (data[0] & 15) * 4 if kind == "icmp" else 0
            print("got", data[at], data[at + 1], flush=True)


def ask(address, port):
    s = socket.socket(family(address), socket.SOCK_DGRAM)
    s.settimeout(0.5)
    s.connect((address, int(port)))
    s.send(b"hello")
    try:
        print(s.recv(100).decode())
    except socket.timeout:
        print("silence")
    except OSError as error:
        print(error.strerror)


def send_icmp(kind, to, number, code):
    body = struct.pack("!BBHI", int(number), int(code), 0, 1280) + b"\x45" + bytes(27)
    if kind == "icmp":
        body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
    raw(kind).sendto(body, socket.getaddrinfo(to, 0)[0][4])


IPV6_HDRINCL = 36


def syn6(source, to, first, last):
    s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
    s.setsockopt(socket.IPPROTO_IPV6, IPV6_HDRINCL, 1)
    ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, to)
    for port in range(int(first), int(last) + 1):
        segment = struct.pack("!HHIIBBHHH", 40000, port, 1, 0, 5 << 4, 2, 1024, 0, 0)
        total = checksum(ends + struct.pack("!II", len(segment), socket.IPPROTO_TCP) + segment)
        segment = segment[:16] + struct.pack("!H", total) + segment[18:]
        for at, piece in (0, segment[:8]), (8, segment[8:]):
            fragment = struct.pack("!BBHI", socket.IPPROTO_TCP, 0, at | (at == 0), port)
            head = struct.pack("!IHBB", 6 << 28, len(fragment) + len(piece), socket.IPPROTO_FRAGMENT, 64)
            s.sendto(head + ends + fragment + piece, (to, 0))


def beat(connection):
    while True:
        time.sleep(0.3)
        connection.send(b".")


def drain(connection):
    threading.Thread(target=beat, args=[connection], daemon=True).start()
    while data := connection.recv(2048):
        os.write(1, data)


def serve(address, port):
    s = socket.socket(family(address))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if s.family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind((address, int(port)))
    s.listen(100)
    print("hearing", flush=True)
    while True:
        threading.Thread(target=drain, args=[s.accept()[0]], daemon=True).start()


def hold(source, address, port):
    s = socket.create_connection((address, int(port)), 3, (source, 0))
    for line in sys.stdin:
        s.send(line.encode())


what, arguments = sys.argv[1], sys.argv[2:]
if what == "hear":
    hear(*arguments)
elif what == "serve":
    serve(*arguments)
elif what == "hold":
    hold(*arguments)
elif what == "ask":
    ask(*arguments)
elif what == "udp":
    udp(arguments[0], int(arguments[1])).sendto(b"hello", socket.getaddrinfo(arguments[2], int(arguments[3]))[0][4])
elif what == "syn6":
    syn6(*arguments)
else:
    send_icmp(what, *arguments)
