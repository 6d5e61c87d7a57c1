# SPDX-License-Identifier: Apache-2.0
"""What must be true of each path.

One actor at a time changes a path, so what its object may be is a small set
of generations (None: no object): one when the last answer was clear, more
while an answer is out or was lost. The set is widened before a request is
sent and narrowed when its success is told; its history lets a reader check
what it saw between two moments.
"""
import threading
import time


class Violation(Exception):
    pass


class Report:
    """Counts, and what went wrong; printed as it happens."""

    def __init__(self, quiet=False):
        self.lock = threading.Lock()
        self.counts = {}
        self.refusals = {}
        self.violations = []
        self.began = time.monotonic()
        self.quiet = quiet
        self.worst = {}

    def say(self, text):
        if not self.quiet:
            at = time.monotonic() - self.began
            print(f"{at:8.2f}  {text}", flush=True)

    def count(self, what, n=1):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + n

    def most(self, what, value):
        with self.lock:
            self.worst[what] = max(self.worst.get(what, value), value)

    def refused(self, op, text):
        key = f"{op}: {text}"[:110]
        with self.lock:
            self.refusals[key] = self.refusals.get(key, 0) + 1

    def violation(self, text):
        with self.lock:
            self.violations.append(text)
        at = time.monotonic() - self.began
        print(f"{at:8.2f}  VIOLATION {text}", flush=True)


class Path:
    def __init__(self, name):
        self.name = name
        self.lock = threading.Lock()
        self.history = [(time.monotonic(), frozenset([None]))]
        self.acked = {}  # generation -> how often its success was told
        self.unknown = {}  # generation -> how often it was asked for in vain
        self.pending = {}  # asked for, not answered yet
        self.dirty = False  # an upload may be left there

    def may(self):
        return self.history[-1][1]

    def _set(self, allowed):
        with self.lock:
            self.history.append((time.monotonic(), frozenset(allowed)))
            if len(self.history) > 400:
                del self.history[:200]

    def widen(self, g):
        self._set(self.may() | {g})

    def settle(self, g):
        self._set({g})

    def between(self, begin, end):
        """All that the object may have been between the two moments."""
        allowed, before = set(), None
        with self.lock:
            for when, sets in self.history:
                if when < begin:
                    before = sets
                elif when <= end:
                    allowed |= sets
        return allowed | (before or set())

    def asked(self, g):
        """The end of an upload of all of g is asked for."""
        self.pending[g] = self.pending.get(g, 0) + 1
        self.widen(g)

    def told(self, g):
        """It was told to be published, perhaps by an earlier request."""
        self.pending.pop(g, None)
        self.unknown.pop(g, None)
        self.acked[g] = self.acked.get(g, 0) + 1
        self.dirty = False
        self.settle(g)

    def lost(self, g):
        """No answer, or a failure: it may have been published, or may be."""
        if self.pending.pop(g, None):
            self.unknown[g] = self.unknown.get(g, 0) + 1


def matches(allowed, size):
    """The allowed generation of that size; None also stands for no object."""
    for g in allowed:
        if (g.size if g else None) == size:
            return True
    return False
