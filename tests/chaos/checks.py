# SPDX-License-Identifier: Apache-2.0
"""What is looked at while things break, and at the end."""
import json
import os
import threading
import time

from model import matches

LOCKS = ("lock", "daemon.lock")


class Watcher(threading.Thread):
    """Polls the store: no name ever shows anything but a whole generation
    that may be there, and never nothing where an old object must be."""

    def __init__(self, world):
        super().__init__(name="watcher", daemon=True)
        self.world = world
        self.store = world.store
        self.told = set()
        self.paths = {p.name: p for a in world.actors for p in a.paths}
        self.pause = 0.01 if world.kind == "local" else 0.02
        self.stop = threading.Event()
        self.failures = 0

    def run(self):
        rounds = 0
        while not self.stop.is_set():
            for path in self.paths.values():
                if self.stop.is_set():
                    return
                try:
                    self.look(path)
                except Exception:  # pylint: disable=broad-except
                    self.failures += 1  # a store that is stopped, say
                self.world.report.count("looks at the store")
                if self.world.kind != "local":
                    time.sleep(self.pause)
            rounds += 1
            if rounds % 50 == 0:
                self.names()
            time.sleep(self.pause)

    def look(self, path):
        begin = time.monotonic()
        size = self.store.size(path.name)
        allowed = path.between(begin, time.monotonic())
        if size is None and not matches(allowed, size):
            size, allowed = self.look_again(path)
        if not matches(allowed, size) and (path, size) not in self.told:
            self.told.add((path, size))
            self.world.report.violation(
                f"{path.name} shows {size} bytes, may be {allowed}"
            )
        for g in allowed:
            if g and g.size == size:
                g.seen = True

    def look_again(self, path):
        """A server may say "no such object" once while it replaces one; only
        one that stays away is missing. Each such answer is counted."""
        begin = time.monotonic()
        size = self.store.size(path.name)
        if size is not None:
            self.world.report.count("objects not seen at the first look")
            print(f"          not seen at the first look: {path.name}")
        return size, path.between(begin, time.monotonic())

    def names(self):
        for name in self.store.names():
            if name not in self.paths:
                self.world.report.violation(f"unexpected object {name}")


def objects(world):
    """Every object is one of what it may be, byte by byte."""
    view = world.store
    for path in (p for a in world.actors for p in a.paths):
        found = view.read(path.name)
        for g in path.may():
            if (g is None) == (found is None) and (
                g is None or found == (g.size, g.sha256())
            ):
                world.report.count("objects compared")
                break
        else:
            world.report.violation(
                f"at the end {path.name} is {found}, may be"
                f" {[(g, g and g.sha256()) for g in path.may()]}"
            )
    known = {p.name for a in world.actors for p in a.paths}
    for name in view.names():
        if name not in known:
            world.report.violation(f"at the end: unexpected object {name}")


def events(world):
    """One event for each object that was published, none for any other."""
    found = {}
    for upload, body in world.gateway.journal(
        "SELECT upload, body FROM events WHERE kind = 'published'"
    ):
        event = json.loads(body)
        key = (event["path"], event["size"])
        found.setdefault(key, set()).add(upload)
    world.report.count("events", sum(len(v) for v in found.values()))
    for path in (p for a in world.actors for p in a.paths):
        for g in {*path.acked, *path.unknown}:
            n = len(found.pop((path.name, g.size), ()))
            if g.size == 0:
                continue  # all empty files look alike
            told = g in path.acked
            if n > 1 and g.resent:
                world.report.count("sent again by a program", n - 1)
            elif n > 1:
                world.report.count("duplicates")
                world.report.violation(f"{n} events for {g} at {path.name}")
            elif n == 0 and (told or g.seen and g in path.may()):
                world.report.count("events lost")
                world.report.violation(f"no event for {g} at {path.name}")
    for key in found:
        world.report.violation(f"an event for what nobody sent: {key}")
    for (n,) in world.gateway.journal(
        "SELECT count(*) FROM uploads u WHERE state = 6 AND kind = 0 AND"
        " NOT EXISTS (SELECT 1 FROM events e WHERE e.upload = u.id)"
    ):
        if n:
            world.report.violation(f"{n} published rows without an event")


def wait_for(seconds, what):
    end = time.monotonic() + seconds
    left = what()
    while left and time.monotonic() < end:
        time.sleep(0.3)
        left = what()
    return left


def end_uploads(world):
    """What nobody wants any more is aborted; then nothing may be left."""
    gw, report = world.gateway, world.report

    def on_their_way():
        return gw.journal(
            "SELECT id, state, path FROM uploads WHERE state IN (2, 4, 5)"
        )

    left = wait_for(90, on_their_way)
    if left:
        report.violation(f"never ends: {left}")
    rows = gw.journal("SELECT id, state FROM uploads WHERE state < 5")
    report.count("unfinished at the end", len(rows))
    for row, _ in rows:
        out = gw.ctl("upload", "abort", row)
        if out.returncode:
            report.violation(f"cannot abort {row}: {out.stderr}")
    left = wait_for(
        90,
        lambda: gw.journal(
            "SELECT id, state, path FROM uploads WHERE state < 6"
        ),
    )
    if left:
        report.violation(f"not aborted: {left}")


def leftovers(world):
    report = world.report
    view = world.store
    left = wait_for(100, view.multipart_uploads)
    if left:
        report.violation(f"multipart uploads left over: {left}")
    if hasattr(view, "parts_of_nobody"):
        report.count("Swift's segments to be freed", len(view.parts_of_nobody()))
        left = wait_for(180, view.parts_of_nobody)
        if left:
            report.violation(f"{len(left)} left over: {left[:20]}")
    spool = world.env["T"] + "/spool"

    def segments():
        return [
            f
            for f in os.listdir(spool)
            if f not in LOCKS and not f.startswith("free.")
        ]

    left = wait_for(10, segments)
    live = {
        row
        for (row,) in world.gateway.journal(
            "SELECT id FROM uploads WHERE state < 6"
        )
    }
    # Killed between the row's end and the unlink, or before the row was
    # there: the sweeper's, in time.
    report.count("segments left to the sweeper", len(left))
    if any(f[:32] in live for f in left):
        report.violation(f"segments left over: {left}")
    left = wait_for(10, lambda: locks(spool + "/lock"))
    if left:
        report.violation(f"locks left over: {left}")


def agreement(world):
    """With the daemon gone, check mends what can be mended, sweep ends what
    nobody comes back for, a segment that never had a row say; and then check
    finds nothing."""
    world.gateway.terminate()
    world.gateway.ctl("check", "--repair")
    world.gateway.ctl("sweep", "--yes", "--older", "0s")
    out = world.gateway.ctl("--json", "check")
    found = json.loads(out.stdout)["findings"] if out.returncode < 2 else []
    left = [f for f in found if not removed_unheard(world, f)]
    world.report.count("removals that were cut off", len(found) - len(left))
    if left or out.returncode and not found:
        world.report.violation(f"check: {left} {out.stderr}")


def removed_unheard(world, finding):
    """Who is killed behind the store's delete and before the journal's commit
    leaves no event: check says so. The client was not answered either."""
    if finding["what"] != "object_gone":
        return False
    row = finding["where"].split()[1].rstrip(":")
    ((key,),) = world.gateway.journal(
        f"SELECT key FROM uploads WHERE id LIKE '%{row}'"
    )
    for path in (p for a in world.actors for p in a.paths):
        if key.endswith(path.name):
            return None in path.may() and path.may() != {None}
    return False


def locks(path):
    st = os.stat(path)
    where = f"{os.major(st.st_dev):02x}:{os.minor(st.st_dev):02x}:{st.st_ino}"
    with open("/proc/locks") as f:
        return [line.strip() for line in f if f" {where} " in line]


MORE_KB = 32 << 10  # for each worker: freed memory that malloc() kept
MORE_FDS = 64 + 64  # the free list's files, and connections to the store
RUN_FILES = 32  # sockets, locks, tokens
LOG_BYTES = 256 << 20  # the journal's write-ahead log


def flat(world):
    """What workers hold at the end, with nobody there, is about what they
    hold at a start, and dead processes left no heap of files."""
    gw, report = world.gateway, world.report
    pss, fds = resources(world)
    workers = len(gw.children("work"))
    gw.terminate()
    gw.start()
    fresh_pss, fresh_fds = resources(world)
    report.most("kB of workers at the end", pss)
    report.most("kB of workers at a start", fresh_pss)
    report.most("descriptors of workers at the end", fds)
    report.most("descriptors of workers at a start", fresh_fds)
    if pss > 2 * fresh_pss + workers * MORE_KB:
        report.violation(f"{pss} kB at the end, {fresh_pss} kB at a start")
    if fds > fresh_fds + workers * MORE_FDS:
        report.violation(f"{fds} files open, {fresh_fds} at a start")
    run = os.listdir(world.env["T"] + "/run")
    if len(run) > RUN_FILES:
        report.violation(f"left over in run_dir: {run}")
    wal = world.env["T"] + "/state/journal.db-wal"
    if os.path.exists(wal) and os.path.getsize(wal) > LOG_BYTES:
        report.violation(f"the journal's log has {os.path.getsize(wal)} bytes")


def resources(world):
    """Memory (PSS, kB) and descriptors of the workers together."""
    gw = world.gateway
    pss = fds = 0
    for pid in gw.children("work"):
        fds += len(os.listdir(f"/proc/{pid}/fd"))
        with open(f"/proc/{pid}/smaps_rollup") as f:
            for line in f:
                if line.startswith("Pss:"):
                    pss += int(line.split()[1])
    return pss, fds
