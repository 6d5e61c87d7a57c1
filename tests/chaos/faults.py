# SPDX-License-Identifier: Apache-2.0
"""The plan of faults, and how each is done.

A plan is an endless list of (pause before it, name, parameters), made from
the seed alone. What a fault meets depends on the moment.
"""
import random
import signal
import threading
import time
import traceback

from model import Violation

PLAN = {  # name: weight
    "kill_worker": 30,
    "kill_workers": 12,
    "kill_everything": 10,
    "kill_master": 5,
    "kill_courier": 6,
    "stop_worker": 5,
    "terminate": 2,
    "reload": 2,
}


class Faults(threading.Thread):
    def __init__(self, world):
        super().__init__(name="faults", daemon=True)
        self.world = world
        self.report = world.report
        self.rng = random.Random(f"{world.seed}/faults")
        self.kinds = dict(PLAN)
        self.pace = world.pace
        for extra in world.layers:
            self.kinds.update(extra.PLAN)
        only = world.args.only.split()
        if only:
            self.kinds = {k: v for k, v in self.kinds.items() if k in only}

    def run(self):
        names, weights = list(self.kinds), list(self.kinds.values())
        while True:
            pause = self.rng.expovariate(1 / self.pace)
            name = self.rng.choices(names, weights)[0]
            args = random.Random(self.rng.random())
            if self.world.stopping.wait(pause):
                return
            self.meet(name, args)

    def meet(self, name, args):
        gw = self.world.gateway
        try:
            if not gw.running():
                raise Violation(
                    f"the daemon ended by itself: {gw.process.poll()}"
                    f" {gw.tail()}"
                )
            self.report.say(name)
            self.report.count(name)
            method = getattr(self, name, None)
            if not method:
                layer = next(l for l in self.world.layers if name in l.PLAN)
                method = getattr(layer, name)
            method(args)
        except Violation as e:
            self.report.violation(f"{name}: {e}")
            self.revive()
        except Exception:  # pylint: disable=broad-except
            self.report.violation(f"{name}: {traceback.format_exc()}")
            self.revive()

    def revive(self):
        gw = self.world.gateway
        try:
            if not gw.running():
                gw.start()
        except Violation as e:
            self.report.violation(str(e))
            self.world.stopping.set()

    def killed(self, n):
        self.world.kills.append(time.monotonic())
        self.report.count("processes killed", n)

    def kill_worker(self, args):
        gw = self.world.gateway
        pids = gw.children("work")
        if pids:
            self.killed(gw.kill(args.choice(pids)))

    def kill_workers(self, _):
        gw = self.world.gateway
        self.killed(sum(gw.kill(pid) for pid in gw.children("work")))

    def kill_courier(self, _):
        gw = self.world.gateway
        self.killed(sum(gw.kill(pid) for pid in gw.children("cour")))

    def kill_everything(self, args):
        self.killed(self.world.gateway.kill_everything())
        self.restart(args)

    def kill_master(self, args):
        self.killed(1)
        self.world.gateway.kill_master()
        self.restart(args)

    def terminate(self, args):
        self.world.gateway.terminate()
        self.restart(args)

    def reload(self, _):
        gw = self.world.gateway
        gw.kill(gw.process.pid, signal.SIGHUP)

    def restart(self, args):
        time.sleep(args.choice((0, 0, 0.3, 2)))
        took = self.world.gateway.start()
        self.report.most("s until log-ins after a start", took)

    def stop_worker(self, args):
        """Sometimes so long that the master must replace it."""
        gw = self.world.gateway
        pids = gw.children("work")
        if not pids:
            return
        pid = args.choice(pids)
        self.world.kills.append(time.monotonic())
        gw.kill(pid, signal.SIGSTOP)
        time.sleep(args.choice((0.2, 1, 7)))
        gw.kill(pid, signal.SIGCONT)
        self.world.kills.append(time.monotonic())
