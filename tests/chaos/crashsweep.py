# SPDX-License-Identifier: Apache-2.0
"""Nothing but kills at crash points, several armed at a time, until each has
killed often enough. The load is the usual one, with smaller files; what it
meets rarely stays armed for as long as it takes."""
import random
import signal
import threading
import time
import traceback

from model import Violation

ARMED = 6  # at a time
PATIENCE = 20  # seconds for one that is not met; then others have a turn
RELOAD = 5  # seconds, while a probe is armed: only a start and a reload probe
MEETING = 60  # seconds until all points are known, more or less
GROUP = 0.05  # of the kills take all processes


class CrashSweep(threading.Thread):
    def __init__(self, world, layer, times):
        super().__init__(name="faults", daemon=True)
        self.world, self.layer, self.times = world, layer, times
        self.rng = random.Random(f"{world.seed}/sweep")
        self.armed = {}  # name -> (kills before, group, since)
        self.reloaded = 0
        self.began = time.monotonic()
        self.only = set(world.args.only.split())

    def known(self):
        return {
            name: at
            for name, at in self.layer.known().items()
            if not self.only or name in self.only
        }

    def run(self):
        try:
            while not self.world.stopping.wait(0.05):
                self.look()
                self.arm_some()
                if self.all_met() and not self.armed and not self.left():
                    self.world.stopping.set()
        except Violation as e:
            self.world.report.violation(str(e))
            self.world.stopping.set()
        except Exception:  # pylint: disable=broad-except
            self.world.report.violation(traceback.format_exc())
            self.world.stopping.set()
        for at in self.known().values():
            self.layer.disarm(at)
        if not self.world.gateway.running():
            self.world.gateway.start()

    def all_met(self):
        """A point is known once it was met; some are met late."""
        known = self.known()
        if self.only:
            return len(known) == len(self.only)
        return time.monotonic() - self.began > MEETING

    def left(self):
        known = self.known()
        return [
            name
            for name, at in known.items()
            if self.layer.kills(at) < self.times and name not in self.armed
        ]

    def look(self):
        """What has killed, or waits in vain."""
        known, now = self.known(), time.monotonic()
        for name, (before, group, since) in list(self.armed.items()):
            if self.layer.kills(known[name]) > before:
                self.killed(name, group)
            elif now - since < PATIENCE:
                continue
            self.layer.disarm(known[name])
            del self.armed[name]
        gw = self.world.gateway
        if not gw.running():
            self.restart()

    def killed(self, name, group):
        report = self.world.report
        self.world.kills.append(time.monotonic())
        report.say(f"  {name}{' (all)' if group else ''}")
        report.count("killed at crash points")
        report.count("processes killed", 5 if group else 1)

    def restart(self):
        """Only a kill of all ends the daemon."""
        gw = self.world.gateway
        gw.process.wait(30)
        if not gw.killed():
            raise Violation(f"the daemon ended by itself: {gw.tail()}")
        time.sleep(0.1)
        gw.start()

    def arm_some(self):
        known = self.known()
        left = self.left()
        self.rng.shuffle(left)
        left.sort(key=lambda name: self.layer.kills(known[name]))
        for name in left[: ARMED - len(self.armed)]:
            at, group = known[name], self.rng.random() < GROUP
            self.armed[name] = (self.layer.kills(at), group, time.monotonic())
            self.layer.arm(at, self.rng.choice((1, 1, 2)), group)
        probes = any(".probe." in name for name in self.armed)
        if probes and time.monotonic() - self.reloaded > RELOAD:
            self.reloaded = time.monotonic()
            gw = self.world.gateway
            gw.kill(gw.process.pid, signal.SIGHUP)

    def verdict(self):
        """After the run: a point that was not killed at often enough."""
        known = self.known()
        few = [n for n in known if self.layer.kills(known[n]) < self.times]
        self.world.report.count("crash points", len(known))
        if few:
            self.world.report.violation(
                f"killed less than {self.times} times at {' '.join(few)}"
            )
