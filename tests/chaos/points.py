# SPDX-License-Identifier: Apache-2.0
"""Kills at each crash point in turn, always in the same way.

One actor does the same things again and again, alone; before each round one
point is told to kill at its first, second ... hit of that round. Such a run
repeats exactly, but for what the daemon's own timers do.
"""
import random
import threading

import checks
from actor import Actor, Upload
from model import Violation

RARE = 3  # rounds in which a point was not met: it is left out


class Points:
    """Every point that one round meets, each killed at `times` times."""

    def __init__(self, world, layer, times):
        self.world, self.layer, self.times = world, layer, times
        self.actor = Actor(world, 0)
        world.actors = [self.actor]
        self.round = 0

    def run(self):
        self.over = threading.Event()
        threading.Thread(target=self.revive, daemon=True).start()
        self.one_round()  # so that the points are known
        self.one_round()
        for name in sorted(self.layer.known()):
            if ".probe." in name or ".list." in name:
                continue  # not on an upload's way
            self.one_point(name)
        self.over.set()
        checks.end_uploads(self.world)
        checks.objects(self.world)
        checks.leftovers(self.world)
        checks.events(self.world)
        checks.agreement(self.world)

    def revive(self):
        """A service manager."""
        gw = self.world.gateway
        while not self.over.wait(0.05):
            if not gw.running():
                gw.start()

    def one_point(self, name):
        at = self.layer.known()[name]
        missed = 0
        while self.layer.kills(at) < self.times and missed < RARE:
            before = self.layer.kills(at)
            group = before % 5 == 4
            self.layer.arm(at, 1 + before % 3, group)
            self.one_round()
            self.layer.disarm(at)
            missed += self.layer.kills(at) == before
        self.world.report.say(f"{name}: {self.layer.kills(at)} kills")

    def one_round(self):
        """The same wishes each time: only what kills differs."""
        actor = self.actor
        actor.rng = random.Random(f"{self.world.args.seed}/round")
        self.round += 1
        path = actor.paths[self.round % 3]
        for step in (self.large, self.small, self.temporary, self.appended,
                     self.renamed, self.removed, self.given_up):  # fmt: skip
            try:
                actor.doing = f"{step.__name__} {path.name}"
                step(path)
            except Violation as e:
                self.world.report.violation(f"{actor.doing}: {e}")
            except Exception as e:  # pylint: disable=broad-except
                self.world.report.refused(step.__name__, e)

    def upload(self, path, size, temp=False):
        up = Upload(self.actor, path, self.world.maker.make(size))
        up.temp = temp
        up.name = path.name + (".filepart" if temp else "")
        up.run()

    def large(self, path):
        self.upload(path, 2_500_000)

    def small(self, path):
        self.upload(path, 5_000)

    def temporary(self, path):
        self.upload(path, 2_600_000, temp=True)

    def appended(self, path):
        self.actor.append(path)

    def renamed(self, path):
        self.actor.rename(path)

    def removed(self, path):
        self.actor.remove(path)

    def given_up(self, path):
        self.actor.give_up(path)
