# SPDX-License-Identifier: Apache-2.0
"""Kills at the named points of a daemon built with --enable-crash-points.

The file that lib/crashpoint.h describes is mapped: its entries count how
often each point was met, and one is told at which hit to kill.
"""
import mmap
import os
import signal
import struct
import time

ENTRY, ENTRIES, NAME = 64, 256, 40
HITS, KILLS, DIE_AT, GROUP = 44, 48, 52, 56


class CrashPoints:
    PLAN = {"crash_point": 120}
    NAME = "crashpoints"

    def __init__(self, world):
        self.world = world
        self.PLAN = {"crash_point": world.args.crash_weight}
        path = world.dir + "/crashpoints"
        with open(path, "wb") as f:
            f.truncate(ENTRY * ENTRIES)
        os.chmod(path, 0o666)
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), ENTRY * ENTRIES)
        world.gateway.extra_env["SLUICE_CRASH_POINTS"] = path

    def _get(self, at, field):
        return struct.unpack_from("I", self.map, at + field)[0]

    def _set(self, at, field, value):
        struct.pack_into("I", self.map, at + field, value)

    def known(self):
        """name -> offset of its entry."""
        out = {}
        for at in range(0, ENTRY * ENTRIES, ENTRY):
            if self._get(at, 0) == 2:
                name = self.map[at + 4 : at + 4 + NAME].split(b"\0")[0]
                out[name.decode()] = at
        return out

    def hits(self, at):
        return self._get(at, HITS)

    def kills(self, at):
        return self._get(at, KILLS)

    def arm(self, at, nth, group):
        """The nth hit from now on kills the process, or the whole group."""
        self._set(at, GROUP, int(group))
        self._set(at, DIE_AT, self.hits(at) + nth)

    def disarm(self, at):
        self._set(at, DIE_AT, 0)

    def crash_point(self, args):
        for _ in range(args.randint(1, 4)):
            self.kill_at_one(args)

    def kill_at_one(self, args):
        """At one of the points that have killed least so far."""
        group, nth, pick = args.random() < 0.2, args.choice((1, 1, 2)), args.random()
        known = self.known()
        if not known:
            return
        least = sorted(known, key=lambda n: (self.kills(known[n]), n))
        name = least[int(pick * pick * min(len(least), 30))]
        self.kill_at(name, nth, group)

    def kill_at(self, name, nth, group):
        """Waits a little for it to be met."""
        gw, report = self.world.gateway, self.world.report
        at = self.known()[name]
        before = self.kills(at)
        self.arm(at, nth, group)
        if ".probe." in name:
            gw.kill(gw.process.pid, signal.SIGHUP)
        end = time.monotonic() + 2.5
        while time.monotonic() < end and self.kills(at) == before:
            if self.world.stopping.is_set():
                break
            time.sleep(0.02)
        self.disarm(at)
        if self.kills(at) == before:
            report.count("crash points not met in time")
            return
        report.say(f"  {name}{' (all)' if group else ''}")
        self.world.kills.append(time.monotonic())
        report.count("killed at crash points")
        report.count("processes killed", 5 if group else 1)
        if group:
            gw.process.wait(30)
            time.sleep(0.1)
            gw.start()

    def table(self):
        known = self.known()
        for name in sorted(known):
            at = known[name]
            print(f"{self.kills(at):9d}  kills at {name} ({self.hits(at)} hits)")
        never = [n for n in known if not self.kills(known[n])]
        if never:
            print(f"           never killed at: {' '.join(sorted(never))}")
