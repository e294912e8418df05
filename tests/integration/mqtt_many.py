"""MQTT 3.1.1 clients for tests of crowds and of those who do not read; plain TCP, on a local listener.
mqtt_many.py stand PORT COUNT       so many connections; says "standing", then does what it is told on standard input,
                                    and says how many did it: subscribe (to "all", QoS 0) · ping · hear (a message
                                    each); leave
mqtt_many.py stall PORT QOS FILTER  subscribes, says "stalled" and reads nothing; told "read", it reads until a second
                                    passes without anything, and says how many messages came in order, then whether it
                                    still gets an answer
mqtt_many.py talk PORT COUNT BYTES  publishes to t/a what another connection of it subscribes to, all with QoS 1, at most
                                    100 ahead of what that one has heard; says how many it heard, in order
mqtt_many.py fill PORT COUNT BYTES  has so many retained messages kept, each at a topic of its own; 0 bytes: takes them
                                    away again; says how many were acknowledged
mqtt_many.py flood PORT COUNT BYTES sends so many messages of QoS 0 to t/a as fast as it can, then asks for an answer; says
                                    whether it came
"""
import resource
import socket
import struct
import sys


def text(value):
    return struct.pack("!H", len(value)) + value.encode()


def packet(head, body):
    size, length = len(body), b""
    while True:
        size, digit = size >> 7, size & 127
        length += bytes([digit | (128 if size else 0)])
        if not size:
            return bytes([head]) + length + body


def connect_packet(name):
    return packet(0x10, text("MQTT") + b"\x04\x02\x00\x00" + text(name))


def subscribe_packet(topic, qos):
    return packet(0x82, b"\x00\x01" + text(topic) + bytes([qos]))


class Client:
    def __init__(self, port, name, small=False):
        self.socket = socket.socket()
        if small:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", int(port)))
        self.socket.sendall(connect_packet(name))
        self.rest = b""

    def next(self):
        """(first byte, body) of the next packet; None at the end or when nothing comes."""
        while True:
            found = self.take()
            if found:
                return found
            try:
                more = self.socket.recv(65536)
            except (socket.timeout, ConnectionError):
                return None
            if not more:
                return None
            self.rest += more

    def take(self):
        size, shift, at = 0, 0, 1
        while at < len(self.rest):
            size |= (self.rest[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if self.rest[at - 1] < 128:
                break
        else:
            return None
        if len(self.rest) < at + size:
            return None
        found = self.rest[0], self.rest[at : at + size]
        self.rest = self.rest[at + size :]
        return found

    def expect(self, kind):
        found = self.next()
        if not found or found[0] >> 4 != kind:
            sys.exit("packet %d did not come: %s" % (kind, found))
        return found

    def ping(self):
        self.socket.sendall(b"\xc0\x00")

    def subscribe(self, topic, qos):
        self.socket.sendall(subscribe_packet(topic, int(qos)))
        self.expect(9)


def number_of(found):
    head, body = found
    at = 2 + struct.unpack("!H", body[:2])[0]
    if head & 6:
        at += 2
    return int(body[at : at + 8])


def say(words):
    print(words, flush=True)


def stand(port, count):
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(count) + 100,) * 2)
    clients = []
    for first in range(0, int(count), 200):
        batch = [Client(port, "c%d" % i) for i in range(first, min(first + 200, int(count)))]
        for client in batch:
            client.expect(2)
        clients += batch
    say("standing")
    for line in sys.stdin:
        kind = {"ping": 13, "hear": 3, "subscribe": 9}.get(line.strip())
        if kind is None:
            break
        for client in clients:
            if kind == 13:
                client.ping()
            elif kind == 9:
                client.socket.sendall(subscribe_packet("all", 0))
        say(sum((client.next() or (0, b""))[0] >> 4 == kind for client in clients))
    for client in clients:
        client.socket.close()
    say("gone")
    sys.stdin.readline()


def in_order(client):
    """How many messages came, each numbered higher than the one before; -1 when one was not. Acknowledges."""
    heard, last = 0, -1
    while True:
        found = client.next()
        if not found:
            break
        if found[0] >> 4 != 3:
            continue
        number = number_of(found)
        if number <= last:
            return -1
        heard, last = heard + 1, number
        if found[0] & 6:
            at = 2 + struct.unpack("!H", found[1][:2])[0]
            client.socket.sendall(b"\x40\x02" + found[1][at : at + 2])
    return heard


def stall(port, qos, topic):
    client = Client(port, "stalled-%s" % qos, small=True)
    client.expect(2)
    client.subscribe(topic, qos)
    say("stalled")
    sys.stdin.readline()
    client.socket.settimeout(1)
    say(in_order(client))
    client.ping()
    found = client.next()
    say("alive" if found and found[0] >> 4 == 13 else "gone")


def talk(port, count, size):
    speaker, hearer = Client(port, "speaking"), Client(port, "hearing")
    speaker.expect(2)
    hearer.expect(2)
    hearer.subscribe("t/#", 1)
    heard = 0
    for first in range(0, int(count), 100):
        batch = range(first, min(first + 100, int(count)))
        for number in batch:
            payload = ("%08d" % number).ljust(int(size)).encode()
            head = text("t/a") + struct.pack("!H", number % 60000 + 1)
            speaker.socket.sendall(packet(0x32, head + payload))
        for number in batch:
            found = hearer.expect(3)
            heard += number_of(found) == number
            hearer.socket.sendall(b"\x40\x02" + found[1][5:7])
        for number in batch:
            speaker.expect(4)
    say(heard)


def fill(port, count, size):
    client = Client(port, "fills")
    client.expect(2)
    acknowledged = 0
    for number in range(int(count)):
        head = text("m/%d" % number) + b"\x00\x01"
        client.socket.sendall(packet(0x33, head + b"x" * int(size)))
        acknowledged += (client.next() or (0, b""))[0] >> 4 == 4
    say(acknowledged)


def flood(port, count, size):
    client = Client(port, "floods")
    client.expect(2)
    client.socket.settimeout(60)
    for number in range(int(count)):
        client.socket.sendall(packet(0x30, text("t/a") + ("%08d" % number).ljust(int(size)).encode()))
    client.ping()
    found = client.next()
    say("answered" if found and found[0] >> 4 == 13 else "gone")


{"stand": stand, "stall": stall, "talk": talk, "fill": fill, "flood": flood}[sys.argv[1]](*sys.argv[2:])
