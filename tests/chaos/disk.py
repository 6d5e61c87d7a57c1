# SPDX-License-Identifier: Apache-2.0
"""A disk that is full, fails, is slow or forgets, and a clock that jumps:
by faultdisk.c, preloaded into the daemon."""
import mmap
import os
import random
import struct
import subprocess
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
EIO, ENOSPC, ONE_IN, DELAY, CLOCK, UNDO, HITS = 0, 4, 8, 12, 16, 24, 28
SPOOL, STATE, OBJECTS = 1, 2, 4  # bits of the folders
SECTOR = 512
QUIET = 10  # seconds: the longest back-off of a worker, and a sync
RECORD = struct.Struct("QQQQ")  # offset, length, bytes that follow, size


class Disk:
    PLAN = {
        "disk_full": 6,
        "disk_error": 5,
        "disk_slow": 4,
        "clock_jump": 4,
        "power_loss": 10,
    }
    NAME = "disk"

    def __init__(self, world):
        self.world = world
        self.folder = world.dir + "/faultdisk"
        self.undo = self.folder + "/undo"
        os.makedirs(self.undo)
        os.chmod(self.folder, 0o755)
        os.chmod(self.undo, 0o777)
        library = self.folder + "/faultdisk.so"
        subprocess.run(
            ["cc", "-O2", "-fPIC", "-shared", "-o", library,
             HERE + "/faultdisk.c", "-ldl"],
            check=True,
        )  # fmt: skip
        control = self.folder + "/control"
        with open(control, "wb") as f:
            f.truncate(4096)
        os.chmod(control, 0o666)
        with open(control, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 4096)
        self.set(UNDO, 1)
        self.new_boot()
        t = world.dir
        folders = [f"{t}/spool", f"{t}/state", f"{t}/objects"]
        world.gateway.extra_env |= {
            "LD_PRELOAD": library,
            "FAULTDISK_CONTROL": control,
            "FAULTDISK_FOLDERS": ":".join(folders),
            "FAULTDISK_UNDO": self.undo,
            "FAULTDISK_BOOT_ID": self.folder + "/boot_id",
        }

    def set(self, field, value):
        struct.pack_into("q" if field == CLOCK else "I", self.map, field, value)

    def new_boot(self):
        with open(self.folder + "/boot_id", "w") as f:
            f.write(str(uuid.uuid4()) + "\n")

    def calm(self):
        """The clock ends where it is latest: nothing lies ahead of it."""
        self.set(CLOCK, self.minutes() * 60000)
        for field in (EIO, ENOSPC, DELAY):
            self.set(field, 0)
        (hits,) = struct.unpack_from("I", self.map, HITS)
        self.world.report.count("calls to the disk that failed", hits)

    def failing(self, field, args):
        where = args.choice((SPOOL, SPOOL, STATE, SPOOL | STATE, OBJECTS))
        self.set(ONE_IN, args.choice((0, 3, 10)))
        self.set(field, where)
        self.world.report.say(f"  folders {where}")
        self.last(args.choice((0.3, 1, 3)), where & SPOOL)
        self.set(field, 0)

    def last(self, seconds, spool=True):
        now = time.monotonic()
        if spool:
            self.world.disk_faults.append((now, now + seconds + 1))
        time.sleep(seconds)

    def disk_full(self, args):
        self.failing(ENOSPC, args)

    def disk_error(self, args):
        self.failing(EIO, args)

    def disk_slow(self, args):
        self.set(DELAY, args.choice((20000, 300000)))
        self.last(args.choice((1, 4)))
        self.set(DELAY, 0)

    def clock_jump(self, args):
        minutes = self.minutes()
        self.set(CLOCK, args.randint(-minutes, minutes) * 60000)

    def minutes(self):
        """S3 refuses what is signed a quarter of an hour off."""
        return 60 if self.world.kind == "local" else 5

    def power_loss(self, args):
        """All processes die, and so does what was not synced."""
        gw, world = self.world.gateway, self.world
        if args.random() < 0.3:
            self.quiet()
        pids = gw.children()
        world.power_losses.append(time.monotonic())
        n = gw.kill_everything()
        gw.wait_gone(pids)
        world.report.count("processes killed", n)
        lost = self.forget(args)
        world.report.count("writes undone by a loss of power", lost)
        self.new_boot()
        world.report.most("s until log-ins after a start", gw.start())

    def quiet(self):
        """Long enough for what dead workers left to be synced by others: then
        it makes no difference who was killed before."""
        if self.world.stopping.wait(QUIET):
            return
        self.world.report.count("losses of power long after a kill")
        self.world.kills.clear()

    def forget(self, args):
        """Plays back a selection of what was not final; says how much."""
        inodes = {}
        for top in ("spool", "state", "objects"):
            for folder, _, files in os.walk(f"{self.world.dir}/{top}"):
                for name in files:
                    path = os.path.join(folder, name)
                    inodes[str(os.lstat(path).st_ino)] = path
        undone = 0
        for name in os.listdir(self.undo):
            path = inodes.get(name)
            # The index of the log is in memory only: SQLite makes it anew.
            if path and not path.endswith("-shm"):
                undone += undo_file(f"{self.undo}/{name}", path, args)
            os.unlink(f"{self.undo}/{name}")
        return undone


def records(undo):
    """What was written since the last sync, oldest first."""
    with open(undo, "rb") as f:
        data = f.read()
    if len(data) < 8:
        return []
    (at,) = struct.unpack_from("Q", data)
    at = max(at, 8)
    out = []
    while at + RECORD.size <= len(data):
        off, length, had, size = RECORD.unpack_from(data, at)
        at += RECORD.size
        if at + had > len(data):
            break  # killed while it was noted: nothing was written yet
        out.append((off, length, data[at : at + had], size))
        at += had
    return out


def undo_file(undo, path, args):
    """Each sector gets any version that it had since the last sync."""
    found = records(undo)
    how = args.choices(("all", "mixed", "none"), (40, 50, 10))[0]
    if not found or how == "none":
        return 0
    chance = random.Random(args.random())
    kept = set()  # sectors that stay as they are
    with open(path, "r+b") as f:
        for off, length, old, _ in reversed(found):
            old = old + bytes(length - len(old))
            at = off
            while at < off + length:
                sector = at // SECTOR
                n = min((sector + 1) * SECTOR, off + length) - at
                if how == "mixed" and chance.random() < 0.4:
                    kept.add(sector)
                if sector not in kept:
                    f.seek(at)
                    f.write(old[at - off : at - off + n])
                at += n
        if how == "all":
            f.truncate(found[0][3])
    return len(found)
