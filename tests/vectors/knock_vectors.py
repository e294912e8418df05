#!/usr/bin/env python3
"""Writes knock.txt, or checks it, with an implementation of the knock that shares nothing with src/wire.

    knock_vectors.py > knock.txt
    knock_vectors.py --check knock.txt

Python's standard library gives HMAC and SHA-256; HKDF (RFC 5869), ChaCha20 and Poly1305 (RFC 8439) and the X
construction (draft-irtf-cfrg-xchacha-03) are written out below and tried against their standards' own vectors
before anything else.
"""
import hashlib
import hmac
import struct
import sys

LABELS = ("hint", "seal", "mac", "psk", "plain", "rnd")
MASK = 0xFFFFFFFF


def mac256(key, *parts):
    return hmac.new(key, b"".join(parts), hashlib.sha256).digest()


def hkdf(ikm, salt, info, length=32):
    prk, block, out = mac256(salt or bytes(32), ikm), b"", b""
    for index in range(1, -(-length // 32) + 1):
        block = mac256(prk, block, info, bytes([index]))
        out += block
    return out[:length]


def rotate(value, bits):
    return ((value << bits) | (value >> (32 - bits))) & MASK


def quarter(s, a, b, c, d):
    for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = (s[x] + s[y]) & MASK
        s[z] = rotate(s[z] ^ s[x], bits)


def rounds(state):
    s = list(state)
    for _ in range(10):
        for i in range(4):
            quarter(s, i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(s, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return s


def initial(key, last16):
    return struct.unpack("<16I", b"expand 32-byte k" + key + last16)


def chacha_block(key, counter, nonce12):
    state = initial(key, struct.pack("<I", counter) + nonce12)
    return struct.pack("<16I", *((a + b) & MASK for a, b in zip(rounds(state), state)))


def hchacha(key, nonce16):
    s = rounds(initial(key, nonce16))
    return struct.pack("<8I", *(s[:4] + s[12:]))


def chacha(key, counter, nonce12, data):
    stream = b"".join(chacha_block(key, counter + i, nonce12) for i in range(-(-len(data) // 64)))
    return bytes(a ^ b for a, b in zip(data, stream))


def poly1305(key, message):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for at in range(0, len(message), 16):
        total = (total + int.from_bytes(message[at:at + 16] + b"\x01", "little")) * r % ((1 << 130) - 5)
    return ((total + int.from_bytes(key[16:], "little")) & ((1 << 128) - 1)).to_bytes(16, "little")


def pad16(data):
    return data + bytes(-len(data) % 16)


def xchacha_seal(key, nonce24, ad, plain):
    subkey, nonce12 = hchacha(key, nonce24[:16]), bytes(4) + nonce24[16:]
    sealed = chacha(subkey, 1, nonce12, plain)
    lengths = struct.pack("<QQ", len(ad), len(sealed))
    return sealed + poly1305(chacha_block(subkey, 0, nonce12)[:32], pad16(ad) + pad16(sealed) + lengths)


def try_standards():
    """RFC 5869 A.1, RFC 8439 2.5.2, draft-irtf-cfrg-xchacha-03 2.2.1 and A.3.1."""
    unhex = bytes.fromhex
    assert hkdf(b"\x0b" * 22, unhex("000102030405060708090a0b0c"), unhex("f0f1f2f3f4f5f6f7f8f9"), 42) == unhex(
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
    assert poly1305(unhex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b"),
                    b"Cryptographic Forum Research Group") == unhex("a8061dc1305136c6c22b8baf0c0127a9")
    assert hchacha(bytes(range(32)), unhex("000000090000004a0000000031415927")) == unhex(
        "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc")
    text = (b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
            b"sunscreen would be it.")
    sealed = xchacha_seal(bytes(range(0x80, 0xA0)), bytes(range(0x40, 0x58)), unhex("50515253c0c1c2c3c4c5c6c7"), text)
    assert sealed[:16] == unhex("bd6d179d3e83d43b9576579493c0e939")
    assert sealed[-16:] == unhex("c0875924c1c7987947deafd8780acf49")


def knock(root_key, uid, counter, fresh, flags, service, wanted, time_ms, source):
    """One vector: every value that an implementation should be able to show on the way."""
    keys = {label: hkdf(root_key, uid, b"nightjar/1 " + label.encode()) for label in LABELS}
    c = struct.pack(">Q", counter)
    body = struct.pack(">BBHHHQ16s16s8s", 1, flags, service, wanted, 0, time_ms, source, uid, bytes(8))
    hint = mac256(keys["hint"], c)[:8]
    random = mac256(keys["rnd"], c, fresh, body)[:16]
    head = hint + random
    sealed = head + xchacha_seal(keys["seal"], c + random, head, body)
    datagram = sealed + mac256(keys["mac"], sealed)[:16]
    assert len(datagram) == 112
    fields = [("root-key", root_key.hex()), ("uid", uid.hex()), ("counter", str(counter)), ("fresh", fresh.hex()),
              ("flags", str(flags)), ("service", str(service)), ("wanted-seconds", str(wanted)),
              ("time-ms", str(time_ms)), ("source", source.hex())]
    fields += [("key-" + label, keys[label].hex()) for label in LABELS]
    fields += [("body", body.hex()), ("datagram", datagram.hex()), ("psk", hkdf(keys["psk"], random, hint).hex()),
               ("password", mac256(keys["plain"], c, random, struct.pack(">H", service)).hex())]
    return fields


def cases():
    root, uid, fresh = bytes(range(32)), bytes(range(0xA0, 0xB0)), bytes(range(0x10, 0x20))
    none, v4 = bytes(16), bytes(10) + b"\xff\xff" + bytes([192, 0, 2, 7])
    v6 = bytes.fromhex("20010db8000000000000000000000007")
    yield "the first knock of a new device", knock(root, uid, 1, fresh, 0, 1, 0, 0, none)
    yield "a dead random generator: the random differs all the same", knock(root, uid, 2, none, 0, 1, 0, 0, none)
    yield "the same counter again with another fresh", knock(root, uid, 2, fresh, 0, 1, 0, 0, none)
    yield "every field set", knock(root, uid, 0x0102030405060708, fresh, 3, 3, 30, 1800000000123, v6)
    yield "an IPv4 source, v4-mapped", knock(root, uid, 17, fresh, 1, 2, 65535, 1, v4)
    for service in (4, 5, 6):
        yield "service %d" % service, knock(root, uid, 100 + service, fresh, 0, service, 30, 0, none)
    yield "the last counter", knock(b"\xff" * 32, b"\xff" * 16, (1 << 63) - 1, b"\xff" * 16, 2, 1, 0, (1 << 64) - 1,
                                   b"\xff" * 16)


def render():
    lines = ["# Vectors of the knock, version 1 (docs/protocol/knock.md). Written and checked by knock_vectors.py,",
             "# which shares no code with the gateway. Numbers are decimal, bytes hexadecimal."]
    for what, fields in cases():
        lines += ["", "what: " + what] + ["%s: %s" % field for field in fields]
    return "\n".join(lines) + "\n"


def main():
    try_standards()
    if len(sys.argv) == 1:
        sys.stdout.write(render())
        return 0
    if len(sys.argv) != 3 or sys.argv[1] != "--check":
        sys.stderr.write(__doc__)
        return 64
    with open(sys.argv[2], encoding="ascii") as file:
        same = file.read() == render()
    print("%s: %s" % (sys.argv[2], "as computed" if same else "differs from what is computed"))
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
