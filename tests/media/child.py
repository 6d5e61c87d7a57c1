# SPDX-License-Identifier: Apache-2.0
"""The other end of sluice-probe's socket: serves a file, counts what it costs.

    r = child.probe(path_or_bytes)      r.json, r.thumb, r.bytes, r.code ...
"""
import json
import os
import resource
import socket
import struct
import subprocess
import time

PROGRAM = os.path.join(os.environ.get("BUILD_DIR", "."), "probe/sluice-probe")
READ_MAX = 1 << 20


class Result:
    json = None
    thumb = b""
    bytes = 0
    requests = 0
    denied = False
    code = None
    ms = 0
    cpu = 0.0


class File:
    """Bytes at offsets, of a file or of what is in memory."""

    def __init__(self, what):
        self.data = what if isinstance(what, (bytes, bytearray)) else None
        if self.data is None:
            self.fd = os.open(what, os.O_RDONLY)
            self.size = os.fstat(self.fd).st_size
        else:
            self.size = len(self.data)

    def read(self, off, n):
        if self.data is not None:
            return bytes(self.data[off:off + n])
        return os.pread(self.fd, n, off)

    def close(self):
        if self.data is None:
            os.close(self.fd)


def take(sock, n):
    got = b""
    while len(got) < n:
        more = sock.recv(n - len(got))
        if not more:
            return None
        got += more
    return got


def frame(kind, data=b""):
    return kind + struct.pack(">I", len(data)) + data


def answer(sock, file, payload, budget, r):
    off, n = struct.unpack(">QI", payload)
    assert 0 < n <= READ_MAX, "a read of %d bytes" % n
    assert off + n <= file.size, "a read beyond the end"
    r.requests += 1
    if r.bytes + n > budget:
        r.denied = True
        sock.sendall(frame(b"E", b"budget"))
        return
    r.bytes += n
    sock.sendall(frame(b"D", file.read(off, n)))


def serve(sock, file, budget, r):
    while True:
        head = take(sock, 5)
        if head is None:
            return
        n = struct.unpack(">I", head[1:])[0]
        payload = take(sock, n)
        if payload is None:
            return
        if head[:1] == b"R":
            answer(sock, file, payload, budget, r)
        elif head[:1] == b"J":
            assert r.json is None, "a second result"
            r.json = json.loads(payload)
        elif head[:1] == b"T":
            assert r.json is not None, "a thumbnail before the result"
            r.thumb = payload
        else:
            raise AssertionError("a frame %r" % head)


def probe(what, thumb=0, memory=1 << 30, cpu=30, budget=64 << 20):
    r, file = Result(), File(what)
    ours, theirs = socket.socketpair()
    began, used = time.monotonic(), resource.getrusage(
        resource.RUSAGE_CHILDREN).ru_utime
    child = subprocess.Popen([PROGRAM], stdin=theirs, stdout=theirs)
    theirs.close()
    try:
        ours.sendall(frame(b"S", struct.pack(">QQII", file.size, memory, cpu,
                                             thumb)))
        serve(ours, file, budget, r)
    except ConnectionError:
        pass  # it died: its exit says how
    finally:
        ours.close()
        r.code = child.wait()
        file.close()
    r.ms = (time.monotonic() - began) * 1000
    r.cpu = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - used
    return r


if __name__ == "__main__":
    import sys
    for name in sys.argv[1:]:
        r = probe(name, thumb=640)
        print(json.dumps(r.json, indent=1, ensure_ascii=False))
        print("%s: exit %s, %d bytes, %d requests, %.0f ms, cpu %.3f, thumb %d"
              % (name, r.code, r.bytes, r.requests, r.ms, r.cpu, len(r.thumb)))
