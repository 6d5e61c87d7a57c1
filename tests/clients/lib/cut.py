# SPDX-License-Identifier: Apache-2.0
"""cut.py                      prints how many bytes of uploads were received
cut.py GROUP BEFORE BYTES      kills a client in the middle of an upload

The process group is stopped and let go on in turns, so that the client, however
fast, is killed when the gateway has received BYTES more than BEFORE. Fails when
the group is gone before that, or twice as much was received."""
import json
import os
import signal
import socket
import sys
import time


def received():
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(os.environ["T"] + "/run/sluiced.sock")
        s.sendall(b"status\n")
        reply = s.makefile().read()
    workers = json.loads(reply.removeprefix("ok "))["workers"]
    return sum(w["received_bytes"] for w in workers)


def settled():
    """What was received when no more is coming."""
    last = None
    while (now := received()) != last:
        last = now
        time.sleep(0.02)
    return now


def alive(group):
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as f:
                    fields = f.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                return True
    return False


def cut(group, before, wanted):
    if os.getuid() == 0:
        os.nice(-10)  # who waits for his turn comes too late
    deadline = time.monotonic() + 240
    while alive(group) and time.monotonic() < deadline:
        if received() == before:
            time.sleep(0.002)
            continue
        os.killpg(group, signal.SIGSTOP)
        if (now := settled() - before) >= wanted:
            os.killpg(group, signal.SIGKILL)
            return 0 if now < 2 * wanted else 1
        os.killpg(group, signal.SIGCONT)
        time.sleep(0.004)
    return 1


if len(sys.argv) == 1:
    print(settled())
else:
    sys.exit(cut(*map(int, sys.argv[1:])))
