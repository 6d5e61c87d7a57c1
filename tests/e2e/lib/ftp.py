# SPDX-License-Identifier: Apache-2.0
"""A control connection of the gateway's FTP, with nothing done behind the
test's back."""
import os
import re
import socket
import ssl
import struct

import gw

HOST = "127.0.0.1"
PORT = int(os.environ["FTP_PORT"])
SECONDS = 240


def context(version=None):
    ctx = ssl.create_default_context()
    ctx.check_hostname = False
    ctx.verify_mode = ssl.CERT_NONE
    if version:
        ctx.minimum_version = ctx.maximum_version = version
    return ctx


def reset(sock):
    """Closes with a reset, as a client does that is killed."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack("ii", 1, 0))
    sock.close()


class Client:
    def __init__(self, tls=False, port=PORT, version=None, login=True):
        self.ctx = context(version)
        self.protected = False
        self.sock = socket.create_connection((HOST, port), SECONDS)
        self.file = self.sock.makefile("rb")
        self.expect(220)
        if tls:
            self.auth()
        if login:
            self.want(331, "USER " + gw.USER)
            self.want(230, "PASS " + gw.PASSWORD)
            self.want(200, "TYPE I")
        if tls:
            self.want(200, "PBSZ 0")
            self.want(200, "PROT P")
            self.protected = True

    def auth(self):
        self.want(234, "AUTH TLS")
        self.sock = self.ctx.wrap_socket(self.sock)
        self.file = self.sock.makefile("rb")

    def send(self, line):
        if isinstance(line, str):
            line = line.encode() + b"\r\n"
        self.sock.sendall(line)

    def line(self):
        return self.file.readline().decode()

    def reply(self):
        text = line = self.line()
        while line and (line[3:4] == "-" or not re.match(r"\d{3} ", line)):
            line = self.line()
            text += line
        return text

    def expect(self, code):
        text = self.reply()
        gw.must(text.startswith(str(code)), f"{text!r}, not {code}")
        return text

    def want(self, code, line):
        self.send(line)
        text = self.reply()
        gw.must(text.startswith(str(code)), f"{line!r} got {text!r}")
        return text

    def port(self):
        text = self.want(229, "EPSV")
        return int(re.search(r"\|\|\|(\d+)\|", text).group(1))

    def begin(self, command, resume=True):
        """The data connection of a transfer that has begun."""
        data = socket.create_connection((HOST, self.port()), SECONDS)
        self.want(150, command)
        if self.protected:
            session = self.sock.session if resume else None
            data = self.ctx.wrap_socket(data, session=session,
                                        suppress_ragged_eofs=False)
        return data

    def end(self, data):
        """The end of what is sent: over TLS with close_notify."""
        if self.protected:
            data = data.unwrap()
        data.close()

    def size(self, path):
        return int(self.want(213, "SIZE " + path)[4:])

    def close(self):
        self.file.close()
        self.sock.close()

    def kill(self):
        self.file.close()
        reset(self.sock)


def read_all(sock):
    body = b""
    while piece := sock.recv(65536):
        body += piece
    sock.close()
    return body
