# SPDX-License-Identifier: Apache-2.0
"""SFTP packets without a client in between."""
import struct

import gw

(INIT, VERSION, OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT, SETSTAT, FSETSTAT,
 OPENDIR, READDIR, REMOVE, MKDIR, RMDIR, REALPATH, STAT, RENAME, READLINK,
 SYMLINK) = range(1, 21)
STATUS, HANDLE, DATA, NAME, ATTRS, EXTENDED, EXTENDED_REPLY = (
    101, 102, 103, 104, 105, 200, 201)
OK, EOF, NO_SUCH_FILE, DENIED, FAILURE, BAD_MESSAGE = range(6)
UNSUPPORTED = 8
F_READ, F_WRITE, F_APPEND, F_CREAT, F_TRUNC, F_EXCL = 1, 2, 4, 8, 16, 32
SIZE = 1


def u32(n):
    return struct.pack(">I", n)


def u64(n):
    return struct.pack(">Q", n)


def text(b):
    if isinstance(b, str):
        b = b.encode()
    return u32(len(b)) + b


class Reader:
    """The fields of a reply."""

    def __init__(self, data):
        self.data = data

    def take(self, n):
        gw.must(len(self.data) >= n, "a reply is cut short")
        head, self.data = self.data[:n], self.data[n:]
        return head

    def u32(self):
        return struct.unpack(">I", self.take(4))[0]

    def u64(self):
        return struct.unpack(">Q", self.take(8))[0]

    def text(self):
        return self.take(self.u32())


class Raw:
    def __init__(self, init=True, transport=None):
        self.transport = transport or gw.transport()
        self.channel = self.transport.open_session()
        self.channel.settimeout(240)
        self.channel.invoke_subsystem("sftp")
        self.extensions = {}
        self.id = 0
        if init:
            self.channel.sendall(self.frame(INIT, u32(3)))
            kind, body = self.packet()
            gw.must(kind == VERSION, "VERSION")
            body = Reader(body)
            gw.must(body.u32() == 3, "version 3")
            while body.data:
                name = body.text().decode()
                self.extensions[name] = body.text().decode()

    @staticmethod
    def frame(kind, body):
        return u32(len(body) + 1) + bytes([kind]) + body

    def exactly(self, n):
        data = b""
        while len(data) < n:
            more = self.channel.recv(n - len(data))
            if not more:
                return None
            data += more
        return data

    def packet(self):
        """(type, body), or None when the server has closed."""
        head = self.exactly(4)
        if head is None:
            return None
        body = self.exactly(struct.unpack(">I", head)[0])
        return body[0], body[1:]

    def send(self, kind, body):
        self.id += 1
        self.channel.sendall(self.frame(kind, u32(self.id) + body))
        return self.id

    def ask(self, kind, body):
        """(type, Reader behind the id) of the reply to one request."""
        wanted = self.send(kind, body)
        found = self.packet()
        gw.must(found is not None, f"no reply to a packet of type {kind}")
        r = Reader(found[1])
        gw.must(r.u32() == wanted, "the reply is another request's")
        return found[0], r

    def status(self, kind, body):
        found, r = self.ask(kind, body)
        gw.must(found == STATUS, f"type {found} where a STATUS should be")
        code = r.u32()
        self.why = r.text().decode()
        return code

    def extended(self, name, body):
        return self.ask(EXTENDED, text(name) + body)

    def extended_status(self, name, body):
        return self.status(EXTENDED, text(name) + body)

    def open(self, path, flags):
        kind, r = self.ask(OPEN, text(path) + u32(flags) + u32(0))
        gw.must(kind == HANDLE, f"open {path}: {r.data}")
        return r.text()

    def write(self, handle, off, data):
        return self.status(WRITE, text(handle) + u64(off) + text(data))

    def read(self, handle, off, n):
        """The bytes, or the status."""
        kind, r = self.ask(READ, text(handle) + u64(off) + u32(n))
        if kind == DATA:
            return r.text()
        code = r.u32()
        self.why = r.text().decode()
        return code

    def finish(self, handle):
        return self.status(CLOSE, text(handle))

    def size(self, path):
        kind, r = self.ask(STAT, text(path))
        if kind != ATTRS:
            return None
        gw.must(r.u32() & SIZE, "a size")
        return r.u64()

    def close(self):
        self.transport.close()
