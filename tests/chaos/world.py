# SPDX-License-Identifier: Apache-2.0
"""One run: the gateway, its store, who uses it, what breaks, what is
checked."""
import os
import threading
import time

import checks
import store
from actor import Actor
from content import Maker
from crashpoints import CrashPoints
from crashsweep import CrashSweep
from disk import Disk
from faults import Faults
from gateway import SETTINGS, Gateway
from model import Report, Violation
from points import Points
from sinks import Sinks
from storefaults import StoreFaults

HERE = os.path.dirname(os.path.abspath(__file__))
CALM_AFTER = 5  # seconds behind the last fault
SYNC_SLACK = 4  # seconds: spool_sync, its tick, and a busy machine
END_SECONDS = 300  # for what was begun


class World:
    def __init__(self, kind, args, folder, env, server):
        self.kind, self.args, self.dir, self.server = kind, args, folder, server
        self.seed = f"{args.seed}/{kind}"
        self.pace = args.pace
        self.huge = 0 if args.crash_points else 0.004
        self.huge_max = args.huge_max
        self.report = Report(args.quiet)
        self.maker = Maker(self.seed)
        self.programs = threading.Semaphore(3)
        self.stopping = threading.Event()
        self.stopped_at = None
        self.power_losses = []  # when
        self.disk_faults = []  # of the spool: from when to when
        self.kills = []  # when
        self.lied_at = None  # the store, about a part
        self.env = self.environment(env)
        self.layers = []
        self.sinks = None
        self.gateway = Gateway(self)
        self.add_layers(args.without.split(","))
        self.store = store.view(kind, self.env)
        self.actors = [Actor(self, i) for i in range(args.actors)]

    def environment(self, server):
        env = {k: v for k, v in os.environ.items() if k != "T"}
        os.chmod(self.dir, 0o711)
        env |= {
            "T": self.dir,
            "STORE": self.kind,
            "BUILD": self.args.build,
            "E2E": os.path.realpath(HERE + "/../e2e"),
            "GW_HOME": "inbox",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        for key, value in server.items():
            env[key] = value
        if server:
            env["S3_PREFIX"] = os.path.basename(self.dir) + "/"
            for key in list(env):
                if key.startswith(("S3_", "SWIFT_")):
                    env["DIRECT_" + key] = env[key]
        return env

    def add_layers(self, without):
        if b"SLUICE_CRASH_POINTS" in self.binary():
            if "crashpoints" not in without:
                self.layers.append(CrashPoints(self))
        if self.kind != "local" and "storefaults" not in without:
            self.layers.append(StoreFaults(self))

        if "disk" not in without:
            self.layers.append(Disk(self))
        if self.args.sinks:
            points = [l for l in self.layers if l.NAME == "crashpoints"]
            kinds = self.args.sinks.split()
            self.sinks = Sinks(self, kinds, points[0] if points else None)
            self.layers.append(self.sinks)

    def binary(self):
        for name in ("sluiced", "daemon/sluiced"):
            path = os.path.join(self.args.build, name)
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    return f.read()
        raise SystemExit(f"no sluiced in {self.args.build}")

    def synced_at(self, lost, since):
        """The last moment whose bytes the disk must have had when the power
        was lost: their driver lived on for long enough to sync them, and the
        disk took what it was given. A sync that failed is not tried again:
        what such a segment has is safe only in the store."""
        when = lost - SYNC_SLACK
        for begin, end in self.disk_faults:
            if begin < lost and end > since:
                when = min(when, begin - SYNC_SLACK)
        for kill in reversed([k for k in self.kills if k < lost]):
            if when < kill < when + SYNC_SLACK:
                when = kill - SYNC_SLACK
        return when

    def calm(self):
        """No fault explains a failure any more."""
        return (
            self.stopped_at is not None
            and time.monotonic() - self.stopped_at > CALM_AFTER
        )

    # --- the run

    def run(self):
        self.gateway.configure(self.settings())
        self.password = self.env["PASSWORD"]
        self.gateway.start()
        try:
            self.prepare()
            if self.args.points:
                Points(self, self.crash_points(), self.args.points).run()
            else:
                self.chaos()
                self.end()
        except Violation as e:
            self.report.violation(str(e))
        finally:
            self.stopping.set()
            self.gateway.end()
            for layer in self.layers:
                if hasattr(layer, "close"):
                    layer.close()
        return self.summary()

    def crash_points(self):
        for layer in self.layers:
            if layer.NAME == "crashpoints":
                return layer
        raise SystemExit("--points needs a build with --enable-crash-points")

    def settings(self):
        s = dict(SETTINGS)
        if self.kind == "local":
            s["store.main.part_size"] = "1M"
        if self.args.crash_points:
            s["daemon.workers"] = "12"  # many wait to be started again
            s["bridge.verify_after"] = "0s"
        if self.sinks:
            s |= self.sinks.settings()
        return s

    def prepare(self):
        client = self.actors[0].connect()
        for actor in self.actors:
            client.mkdir(actor.folder)
        client.close()

    def chaos(self):
        self.watcher = checks.Watcher(self)
        sweep = self.args.crash_points
        if sweep:
            faults = CrashSweep(self, self.crash_points(), sweep)
        else:
            faults = Faults(self)
        for thread in (self.watcher, faults, *self.actors):
            thread.start()
        if self.sinks:
            self.sinks.begin()
        self.stopping.wait(self.args.minutes * 60)
        self.stopping.set()
        faults.join(120)
        for layer in self.layers:
            if hasattr(layer, "calm"):
                layer.calm()
        self.stopped_at = time.monotonic()
        self.report.say("no more faults")
        end = time.monotonic() + END_SECONDS
        for actor in self.actors:
            actor.join(max(0, end - time.monotonic()))
            if actor.is_alive():
                self.report.violation(f"{actor.name} hangs: {actor.doing}")
        if sweep:
            faults.verdict()

    def end(self):
        self.report.say("all actors are done")
        checks.end_uploads(self)
        self.watcher.stop.set()
        self.watcher.join()
        checks.objects(self)
        checks.leftovers(self)
        checks.events(self)
        if self.sinks:
            self.sinks.verify()
        checks.flat(self)
        checks.agreement(self)

    def summary(self):
        r = self.report
        print(f"--- {self.kind}, seed {self.args.seed}")
        for what in sorted(r.counts):
            print(f"{r.counts[what]:9d}  {what}")
        for what in sorted(r.worst):
            print(f"{r.worst[what]:9.2f}  most {what}")
        top = sorted(r.refusals.items(), key=lambda kv: -kv[1])
        for text, n in top[:12]:
            print(f"{n:9d}  refused: {text}")
        for layer in self.layers:
            if hasattr(layer, "table"):
                layer.table()
        print(f"{len(r.violations):9d}  violations", flush=True)
        if r.violations:
            print(f"           the folder is {self.dir}")
        return not r.violations
