# SPDX-License-Identifier: Apache-2.0
"""progress.py GROUP FILE PERCENT

Waits until a process of the process group has read so much of FILE, by the
position of its descriptor. Fails when the group is gone before that."""
import os
import sys
import time

group, path, percent = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
path = os.path.realpath(path)
wanted = os.stat(path).st_size * percent / 100


def members():
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat") as f:
                fields = f.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            yield name


def position(pid):
    best = -1
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            if os.readlink(f"/proc/{pid}/fd/{fd}") == path:
                with open(f"/proc/{pid}/fdinfo/{fd}") as f:
                    best = max(best, int(f.readline().split()[1]))
    except OSError:
        pass
    return best


deadline = time.monotonic() + 300
pids = list(members())
while pids and time.monotonic() < deadline:
    if any(position(pid) >= wanted for pid in pids):
        sys.exit(0)
    time.sleep(0.005)
    pids = list(members())
sys.exit(1)
