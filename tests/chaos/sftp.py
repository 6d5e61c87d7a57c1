# SPDX-License-Identifier: Apache-2.0
"""An SFTP client that knows what was acknowledged.

paramiko does SSH; the file protocol is spoken here, because its own client
hides which writes were answered and whether a close failed. Requests go out
up to WINDOW ahead. Broken is raised when the connection is gone, Refused for
an answer that is not a success.
"""
import logging
import socket
import struct
import time

import paramiko

logging.getLogger("paramiko").setLevel(logging.CRITICAL)

HOST = "127.0.0.1"
READ, WRITE, APPEND, CREAT, TRUNC, EXCL = 1, 2, 4, 8, 16, 32
BLOCK = 32000
WINDOW = 32
TIMEOUT = 45

STATUS, HANDLE, DATA, NAME, ATTRS = 101, 102, 103, 104, 105
NO_SUCH_FILE = 2


class Broken(Exception):
    pass


class Refused(Exception):
    def __init__(self, code, text):
        super().__init__(f"{code} {text}")
        self.code = code


def text(s):
    b = s.encode() if isinstance(s, str) else s
    return struct.pack(">I", len(b)) + b


class Sftp:
    def __init__(self, port, user, password, timeout=TIMEOUT):
        self.id = 0
        self.transport = None
        self.buffer = b""
        try:
            self.sock = socket.create_connection((HOST, port), 10)
            self.transport = paramiko.Transport(self.sock)
            self.transport.start_client(timeout=timeout)
            self.transport.auth_password(user, password)
            self.channel = self.transport.open_session(timeout=timeout)
            self.channel.settimeout(timeout)
            self.channel.invoke_subsystem("sftp")
            self._send(struct.pack(">BI", 1, 3))
            self._receive()
        except (paramiko.SSHException, OSError, EOFError) as e:
            self.close()
            raise Broken(f"log-in: {e}") from e

    def close(self):
        if self.transport:
            self.transport.close()

    def kill(self):
        """As if the client had died: reset, nothing is said."""
        try:
            self.sock.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            self.sock.close()
        except OSError:
            pass
        self.close()

    def _send(self, payload):
        try:
            self.channel.sendall(struct.pack(">I", len(payload)) + payload)
        except (paramiko.SSHException, OSError, EOFError) as e:
            raise Broken(f"send: {e!r}") from e

    def _exactly(self, n):
        while len(self.buffer) < n:
            try:
                data = self.channel.recv(1 << 16)
            except (paramiko.SSHException, OSError, EOFError) as e:
                raise Broken(f"receive: {e!r}") from e
            if not data:
                raise Broken("receive: end")
            self.buffer += data
        out, self.buffer = self.buffer[:n], self.buffer[n:]
        return out

    def _receive(self):
        (n,) = struct.unpack(">I", self._exactly(4))
        payload = self._exactly(n)
        return payload[0], payload[1:]

    def _ask(self, kind, body):
        self.id += 1
        self._send(struct.pack(">BI", kind, self.id) + body)
        return self.id

    def _reply(self):
        kind, body = self._receive()
        (number,) = struct.unpack_from(">I", body)
        return kind, number, body[4:]

    @staticmethod
    def _status(body):
        code, n = struct.unpack_from(">II", body)
        return code, body[8 : 8 + n].decode(errors="replace")

    def call(self, kind, body):
        """One request and its reply; a status that is no success raises."""
        number = self._ask(kind, body)
        got, answered, reply = self._reply()
        if answered != number:
            raise Broken(f"reply to {answered} instead of {number}")
        if got == STATUS:
            code, why = self._status(reply)
            if code:
                raise Refused(code, why)
        return got, reply

    def open(self, path, flags, size=None):
        attrs = struct.pack(">I", 0)
        if size is not None:
            attrs = struct.pack(">IQ", 1, size)
        _, reply = self.call(3, text(path) + struct.pack(">I", flags) + attrs)
        (n,) = struct.unpack_from(">I", reply)
        return reply[4 : 4 + n]

    def close_file(self, handle):
        self.call(4, text(handle))

    def set_size(self, handle, size):
        self.call(10, text(handle) + struct.pack(">IQ", 1, size))

    def fsync(self, handle):
        self.call(200, text("fsync@openssh.com") + text(handle))

    def size(self, path):
        """The size that STAT reports; None when there is no such file."""
        try:
            _, reply = self.call(17, text(path))
        except Refused as e:
            if e.code == NO_SUCH_FILE:
                return None
            raise
        flags, size = struct.unpack_from(">IQ", reply)
        return size if flags & 1 else None

    def set_times(self, path, seconds):
        self.call(9, text(path) + struct.pack(">III", 8, seconds, seconds))

    def remove(self, path):
        self.call(13, text(path))

    def rename(self, old, new):
        self.call(18, text(old) + text(new))

    def posix_rename(self, old, new):
        self.call(
            200, text("posix-rename@openssh.com") + text(old) + text(new)
        )

    def mkdir(self, path):
        self.call(14, text(path) + struct.pack(">I", 0))

    def read_all(self, path):
        """Yields the file's bytes, until its end."""
        handle = self.open(path, READ)
        off = 0
        try:
            while True:
                got, reply = self.call(
                    5, text(handle) + struct.pack(">QI", off, BLOCK)
                )
                (n,) = struct.unpack_from(">I", reply)
                off += n
                yield reply[4 : 4 + n]
        except Refused as e:
            if e.code != 1:  # end of file
                raise
        self.close_file(handle)

    def write_range(self, handle, progress, source, end, pace=None):
        """Writes up to end; progress follows what is answered."""
        waiting = {}
        off = progress.acked
        while off < end or waiting:
            while off < end and len(waiting) < WINDOW:
                n = min(BLOCK, end - off)
                data = source(off, n)
                progress.sent = max(progress.sent, off + n)
                head = text(handle) + struct.pack(">QI", off, n)
                waiting[self._ask(6, head + data)] = (off, n)
                off += n
                if pace:
                    time.sleep(pace)
            _, number, body = self._reply()
            code, why = self._status(body)
            if code:
                raise Refused(code, why)
            progress.answered(*waiting.pop(number))


class Progress:
    """Of one upload: what was sent, and what was acknowledged up to when."""

    def __init__(self):
        self.sent = 0
        self.begin(0)

    def begin(self, off):
        """From there on; more may be there than a client knows."""
        self.sent = max(self.sent, off)
        self.acked = off
        self.ahead = {}
        self.last = time.monotonic()  # when acked grew
        self.log = [(self.last, off)]

    def answered(self, off, n):
        self.ahead[off] = n
        while self.acked in self.ahead:
            self.acked += self.ahead.pop(self.acked)
        now = self.last = time.monotonic()
        if now - self.log[-1][0] > 0.05:
            self.log.append((now, self.acked))

    def acked_at(self, when):
        """What was acknowledged at that time, at least."""
        if when >= self.last:
            return self.acked
        best = 0
        for t, acked in self.log:
            if t <= when:
                best = acked
        return best
