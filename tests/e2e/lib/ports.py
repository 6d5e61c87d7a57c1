# SPDX-License-Identifier: Apache-2.0
"""Prints N free loopback ports: all are held until the last is known.

They are below those that the kernel gives to clients (32768 and up), so that
no connection has one when the server under test binds it, now or after a
restart, and not among those of tests/servers. Each of the tests that run at
the same time, by E2E_SLOT, has a range of its own. None is given twice to a
test: what it does not listen on yet is in its folder's list."""
import os
import random
import socket
import sys

FIRST, EACH, RANGES = 10000, 250, 24
first = FIRST + int(os.environ.get("E2E_SLOT", "0")) % RANGES * EACH
wanted = int(sys.argv[1])
held = []
given = os.path.join(os.environ["T"], "ports") if "T" in os.environ else None
taken = set()
if given and os.path.exists(given):
    with open(given) as f:
        taken = set(map(int, f.read().split()))
for port in random.sample(range(first, first + EACH), EACH):
    if port in taken:
        continue
    s = socket.socket()
    try:
        s.bind(("127.0.0.1", port))
    except OSError:
        continue
    held.append(s)
    if len(held) == wanted:
        break
else:
    sys.exit(f"no {wanted} ports are free from {first} on")
if given:
    with open(given, "a") as f:
        print(*(s.getsockname()[1] for s in held), file=f)
print(*(s.getsockname()[1] for s in held))
