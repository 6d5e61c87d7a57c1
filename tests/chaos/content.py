# SPDX-License-Identifier: Apache-2.0
"""What is uploaded: bytes that can be made again from any offset on.

A generation is one content of one path. It is a list of pieces of endless
streams, so that "what was there and something appended" is one too. No two
generations of a run have the same size (but for the empty one), so a size
that is seen tells which one it is.
"""
import hashlib
import threading

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK = 16
CHUNK = 1 << 20


def stream(seed, off, n):
    """Bytes [off, off + n) of the stream of that seed: AES in counter mode."""
    key = hashlib.md5(f"chaos {seed}".encode(), usedforsecurity=False).digest()
    first, skip = divmod(off, BLOCK)
    cipher = Cipher(algorithms.AES(key), modes.CTR(first.to_bytes(16, "big")))
    return cipher.encryptor().update(bytes(skip + n))[skip:]


class Generation:
    def __init__(self, name, pieces):
        self.name = name
        self.pieces = pieces  # (seed, offset in the stream, length)
        self.size = sum(p[2] for p in pieces)
        self.digest = None
        self.resent = False
        self.seen = False  # under its final name

    def __repr__(self):
        return f"{self.name}({self.size})"

    def read(self, off, n):
        out, at = [], 0
        for seed, start, length in self.pieces:
            begin, end = max(off, at), min(off + n, at + length)
            if begin < end:
                out.append(stream(seed, start + begin - at, end - begin))
            at += length
        return b"".join(out)

    def chunks(self, off=0, end=None):
        end = self.size if end is None else end
        while off < end:
            n = min(CHUNK, end - off)
            yield self.read(off, n)
            off += n

    def sha256(self):
        if not self.digest:
            h = hashlib.sha256()
            for data in self.chunks():
                h.update(data)
            self.digest = h.hexdigest()
        return self.digest

    def write_to(self, path):
        with open(path, "wb") as f:
            for data in self.chunks():
                f.write(data)


class Maker:
    """Hands out generations, each with a size that no other has."""

    def __init__(self, seed):
        self.seed = seed
        self.sizes = {}
        self.lock = threading.Lock()
        self.empty = Generation("empty", [])

    def _own_size(self, wanted):
        while wanted in self.sizes:
            wanted += 1
        return wanted

    def make(self, size):
        if size == 0:
            return self.empty
        with self.lock:
            size = self._own_size(size)
            g = Generation(
                f"g{len(self.sizes)}", [(f"{self.seed}/{size}", 0, size)]
            )
            self.sizes[size] = g
        return g

    def append(self, old, more):
        with self.lock:
            size = self._own_size(old.size + more)
            piece = (f"{self.seed}/{size}", 0, size - old.size)
            g = Generation(f"g{len(self.sizes)}", old.pieces + [piece])
            self.sizes[size] = g
        return g

    def by_size(self, size):
        return self.sizes.get(size) if size else self.empty
