# SPDX-License-Identifier: Apache-2.0
"""
An SSH agent with a security key in software (OpenSSH's PROTOCOL.u2f).

usage: sk_agent.py SOCKET PUBLIC_KEY_FILE ed25519|ecdsa FLAGS

FLAGS: what the key signs about its touch (1: touched, 4: PIN given), or "bad":
a signature that is wrong. It writes the public key and serves until it is
killed.
"""
import base64
import hashlib
import os
import socket
import struct
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.hazmat.primitives.serialization import (Encoding,
                                                          PublicFormat)

IDENTITIES, IDENTITIES_ARE, SIGN, SIGNED, FAILURE = 11, 12, 13, 14, 5
APPLICATION = b"ssh:"


def text(b):
    return struct.pack(">I", len(b)) + b


def mpint(n):
    return text(n.to_bytes(n.bit_length() // 8 + 1, "big"))


class Ed25519:
    name = b"sk-ssh-ed25519@openssh.com"

    def __init__(self):
        self.key = ed25519.Ed25519PrivateKey.generate()
        raw = self.key.public_key().public_bytes(Encoding.Raw,
                                                 PublicFormat.Raw)
        self.blob = text(self.name) + text(raw) + text(APPLICATION)

    def sign(self, data):
        return self.key.sign(data)


class Ecdsa:
    name = b"sk-ecdsa-sha2-nistp256@openssh.com"

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        point = self.key.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint)
        self.blob = (text(self.name) + text(b"nistp256") + text(point) +
                     text(APPLICATION))

    def sign(self, data):
        r, s = utils.decode_dss_signature(
            self.key.sign(data, ec.ECDSA(hashes.SHA256())))
        return mpint(r) + mpint(s)


def signature(key, data, flags):
    bad = flags == "bad"
    tail = struct.pack(">BI", 1 if bad else int(flags), 7)
    signed = (hashlib.sha256(APPLICATION).digest() + tail +
              hashlib.sha256(data + b"x" * bad).digest())
    return text(key.name) + text(key.sign(signed)) + tail


def reply(key, request, flags):
    if request[0] == IDENTITIES:
        return (bytes([IDENTITIES_ARE]) + struct.pack(">I", 1) +
                text(key.blob) + text(b"in software"))
    if request[0] != SIGN:
        return bytes([FAILURE])
    (n,) = struct.unpack(">I", request[1:5])
    rest = request[5 + n:]
    (n,) = struct.unpack(">I", rest[:4])
    return bytes([SIGNED]) + text(signature(key, rest[4:4 + n], flags))


def serve(connection, key, flags):
    with connection, connection.makefile("rb") as f:
        while len(head := f.read(4)) == 4:
            request = f.read(struct.unpack(">I", head)[0])
            connection.sendall(text(reply(key, request, flags)))


def main():
    path, public, kind, flags = sys.argv[1:]
    key = Ecdsa() if kind == "ecdsa" else Ed25519()
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
        s.listen()
        with open(public + ".new", "w", encoding="ascii") as f:
            f.write(key.name.decode() + " " +
                    base64.b64encode(key.blob).decode() + "\n")
        os.rename(public + ".new", public)
        while True:
            serve(s.accept()[0], key, flags)


main()
