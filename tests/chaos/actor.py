# SPDX-License-Identifier: Apache-2.0
"""One user of the gateway: does anything to paths of its own, one at a time.

Whatever breaks, an actor goes on with what it wanted, as a patient client
does; it notes in the model what may be true before each request and what
must be true after each answer.
"""
import ftplib
import os
import random
import socket
import ssl
import struct
import threading
import time
import traceback

import programs
from model import Path, Violation
from sftp import APPEND, CREAT, TRUNC, WRITE, Broken, Progress, Refused, Sftp

TRIES = 60
IMPATIENT = 240  # seconds, for one upload
TEMPS = ("{}.filepart", "{}.1a2b3c4d.partial", ".in.{}.")
SIZES = (  # weight, least, most
    (3, 0, 0),
    (45, 1, 60_000),
    (25, 60_000, 1_000_000),
    (17, 1_000_000, 8_000_000),
    (9, 8_000_000, 32_000_000),
)
FTP_ERRORS = (*ftplib.all_errors, ssl.SSLError, socket.timeout)


class Vanished(Exception):
    """No upload is there to go on with."""


class Actor(threading.Thread):
    def __init__(self, world, number):
        super().__init__(name=f"actor{number}", daemon=True)
        self.world = world
        self.report = world.report
        self.rng = random.Random(f"{world.seed}/actor/{number}")
        self.folder = f"/d{number}"
        self.paths = [Path(f"{self.folder}/f{i}.mov") for i in range(3)]
        self.number = number
        self.doing = ""
        self.floor = 0  # an offset that was reported, and holds

    def run(self):
        while not self.world.stopping.is_set():
            try:
                self.step()
            except Violation as e:
                self.report.violation(f"{self.name} {self.doing}: {e}")
            except Broken:
                self.report.count("broken")
                time.sleep(0.2)
            except Refused as e:
                self.report.refused(self.doing.split()[0], e)
                time.sleep(0.2)
            except Exception:  # pylint: disable=broad-except
                self.report.violation(
                    f"{self.name} {self.doing}: {traceback.format_exc()}"
                )
            self.doing = ""
            self.world.stopping.wait(self.rng.expovariate(4))

    def step(self):
        r = self.rng
        path = r.choice(self.paths)
        op = r.choices(
            (self.upload, self.program, self.append, self.remove, self.rename,
             self.read, self.give_up),
            (60, 8, 8, 8, 6, 10, 5),
        )[0]  # fmt: skip
        self.doing = f"{op.__name__} {path.name}"
        op(path)

    def connect(self):
        """Until the gateway lets us in: it may be down for a moment."""
        end = time.monotonic() + 90
        while True:
            try:
                gw = self.world.gateway
                return Sftp(gw.sftp_port, "tester", self.world.password)
            except Broken:
                if time.monotonic() > end:
                    raise
                time.sleep(self.rng.uniform(0.05, 0.5))

    def size(self):
        weights = [s[0] for s in SIZES]
        _, least, most = self.rng.choices(SIZES, weights)[0]
        wanted = self.rng.randint(least, most)
        if wanted and self.rng.random() < self.world.huge:
            wanted = self.rng.randint(100_000_000, self.world.huge_max)
        return wanted

    # --- uploads by scripted clients

    def upload(self, path):
        g = self.world.maker.make(self.size())
        job = Upload(self, path, g)
        return job.run()

    def append(self, path):
        """Something more behind what is there."""
        if len(path.may()) != 1 or None in path.may() or path.dirty:
            return self.upload(path)
        (old,) = path.may()
        if not old.size or old.size > 40_000_000:
            return self.upload(path)
        g = self.world.maker.append(old, self.rng.randint(1, 2_000_000))
        job = Upload(self, path, g, appends=old)
        return job.run()

    def program(self, path):
        with self.world.programs:
            programs.upload(self, path)

    # --- the rest

    def remove(self, path):
        client = self.connect()
        try:
            path.widen(None)
            client.remove(path.name)
            # Beside an upload it is hidden only, until that one has ended.
            if not path.dirty:
                path.settle(None)
            self.report.count("removes")
        except Refused as e:
            if e.code != 2:
                self.report.refused("remove", e)
        finally:
            client.close()

    def rename(self, path):
        target = self.rng.choice(self.paths)
        if target is path or len(path.may()) != 1 or None in path.may():
            return
        if path.dirty or target.dirty:
            return
        (g,) = path.may()
        client = self.connect()
        try:
            target.widen(g)
            path.widen(None)
            client.posix_rename(path.name, target.name)
            target.settle(g)
            path.settle(None)
            self.report.count("renames")
        except Refused as e:
            self.report.refused("rename", e)
        finally:
            client.close()

    def give_up(self, path):
        """An upload under a temporary name, removed half way."""
        g = self.world.maker.make(self.size())
        name = path.name + ".filepart"
        client = self.connect()
        path.dirty = True
        try:
            handle = client.open(name, WRITE | CREAT | TRUNC)
            end = self.rng.randint(0, min(g.size, 8_000_000))
            client.write_range(handle, Progress(), g.read, end)
            if self.rng.random() < 0.5:
                client.close_file(handle)
            client.remove(name)
            path.dirty = False
            self.report.count("uploads removed half way")
        finally:
            client.close()

    def read(self, path):
        """All of it, through the gateway."""
        sizes = [g.size for g in path.may() if g]
        if path.dirty or max(sizes, default=0) > 2_000_000:
            return
        client = self.connect()
        begin = time.monotonic()
        found = None
        try:
            found = b"".join(client.read_all(path.name))
        except Refused as e:
            if e.code != 2:
                raise
        finally:
            client.close()
        allowed = path.between(begin, time.monotonic())
        if found is None:
            if None not in allowed:
                raise Violation(f"read: no such file, may be {allowed}")
            return
        for g in allowed:
            if g and g.size == len(found) and g.read(0, g.size) == found:
                self.report.count("reads")
                return
        raise Violation(f"read: {len(found)} bytes, may be {allowed}")


class Upload:
    """One upload, carried to its end through whatever happens."""

    def __init__(self, actor, path, g, appends=None):
        r = actor.rng
        self.actor, self.path, self.g = actor, path, g
        self.world, self.report = actor.world, actor.report
        self.rng = r
        self.appends = appends
        self.temp = appends is None and r.random() < 0.35
        self.name = path.name
        if self.temp:
            base = r.choice(TEMPS).format(os.path.basename(path.name))
            self.name = actor.folder + "/" + base
        self.declares = r.random() < 0.3
        self.progress = Progress()
        self.begun = False  # something may be there
        self.sealed = False  # told so
        self.removed = False  # the old object, as WinSCP does
        self.cuts = r.choices((0, 1, 2), (60, 30, 10))[0] if g.size else 0
        self.low = 0  # an offset that was reported and holds

    def source(self, off, n):
        return self.g.read(off, n)

    def run(self):
        self.report.count("uploads begun")
        end = time.monotonic() + IMPATIENT
        began = time.monotonic()
        for _ in range(TRIES):
            try:
                done = self.attempt()
                if done is None:
                    break
                if done:
                    self.report.count("uploads")
                    self.report.most("s for an upload", time.monotonic() - began)
                    return True
            except Broken:
                self.report.count("broken")
                self.path.lost(self.g)
            except Refused as e:
                self.report.refused("sftp", e)
                self.path.lost(self.g)
                time.sleep(self.rng.uniform(0.1, 1))
            except ftplib.Error as e:
                self.report.refused("ftp", e)
                self.path.lost(self.g)
                time.sleep(self.rng.uniform(0.1, 1))
            except FTP_ERRORS:
                self.report.count("broken")
                self.path.lost(self.g)
            if time.monotonic() > end:
                break
        self.give_up()
        return False

    def give_up(self):
        self.path.dirty = True
        if self.removed:
            self.path.widen(None)
        self.report.count("given up")
        if self.world.calm() and self.cuts is not None:
            raise Violation(
                f"does not end, in calm: {self.name} of {self.g}, sent"
                f" {self.progress.sent}, refusals {self.report.refusals}"
            )

    def fresh(self):
        """From the start: a new generation once an end was asked for."""
        if self.g in self.path.pending or self.g in self.path.unknown:
            if self.appends:
                raise Vanished()
            self.g = self.world.maker.make(self.g.size)
        self.progress = Progress()
        self.begun = False
        self.low = 0

    def attempt(self):
        by_ftp = self.rng.random() < 0.3 and not self.appends
        if self.sealed:
            return self.rename()
        if by_ftp and (not self.begun or self.rng.random() < 0.5):
            return FtpTurn(self).go()
        client = self.actor.connect()
        try:
            return self.sftp(client)
        except Vanished:
            self.cuts = None  # nothing to go on with: not told either way
            return None
        finally:
            client.close()

    # --- where to go on

    def offset(self, asked):
        """What the answer to STAT or SIZE means: an offset, or None."""
        g, p = self.g, self.progress
        since = time.monotonic()
        others = {o.size if o else None for o in self.path.may() if o != g}
        least = max(self.kept(p), self.low)
        if asked == g.size:
            return asked
        if self.temp and asked is None:
            return self.gone(least)
        if asked in others and not least <= (asked or 0) <= p.sent:
            return self.gone(least)
        if asked is None:
            return self.gone(least)
        if asked in others and least == 0 and not self.temp:
            return None
        if not least <= asked <= p.sent:
            raise Violation(
                f"offset {asked} of {self.name}: acknowledged {least},"
                f" sent {p.sent}, {g}, may be {self.path.may()} at {since}"
            )
        self.low = asked
        return asked

    def kept(self, p):
        """What must be there: all that was acknowledged, but for the last
        seconds before a loss of power."""
        lied = self.world.lied_at
        if lied and lied > p.log[0][0] - 60:
            self.low = 0
            return 0  # a part that Complete refuses must come again
        kept = p.acked
        for lost in self.world.power_losses:
            if lost > p.log[0][0]:
                self.low = 0
                synced = self.world.synced_at(lost, p.log[0][0])
                kept = min(kept, p.acked_at(synced))
        return kept

    def gone(self, least):
        asked = self.g in self.path.pending or self.g in self.path.unknown
        if least and not asked and not self.appends:
            raise Violation(
                f"{self.name} is gone, {least} bytes were acknowledged of"
                f" {self.g}"
            )
        return None

    # --- by SFTP

    def sftp(self, client):
        off = 0
        if self.appends:
            return self.sftp_append(client)
        if self.begun:
            off = self.offset(client.size(self.name))
            if off is None or off == 0 and self.g.size:
                self.fresh()
                off = 0
        if off == self.g.size and self.begun:
            return self.confirm(client)
        if off:
            off = self.rewind(off)
            self.progress.begin(off)
            self.report.count("resumes")
            handle = client.open(self.name, WRITE | CREAT)
        else:
            size = self.g.size if self.declares else None
            handle = client.open(self.name, WRITE | CREAT | TRUNC, size)
            self.begun = True  # not before: something older may be there
        return self.send(client, handle, off)

    def rewind(self, off):
        """A client may go back a little: it knows less than we do."""
        if self.rng.random() < 0.1 and off > 5000:
            self.low = 0
            return off - self.rng.randint(1, 5000)
        return off

    def send(self, client, handle, off):
        cut = self.cut_at(off)
        pace = 0.002 if self.rng.random() < 0.1 else None
        client.write_range(handle, self.progress, self.source, cut, pace)
        if cut < self.g.size:
            self.cut_off(client, handle)
            return False
        if self.rng.random() < 0.1:
            client.fsync(handle)
        if not self.temp:
            self.path.asked(self.g)
        client.close_file(handle)
        return self.closed(client)

    def cut_at(self, off):
        if not self.cuts or self.world.stopping.is_set():
            return self.g.size
        self.cuts -= 1
        return self.rng.randint(off, self.g.size)

    def cut_off(self, client, handle):
        how = self.rng.choice(("reset", "reset", "close", "stall", "fsync"))
        self.report.count("clients killed")
        if how == "fsync":
            client.fsync(handle)
        if how == "stall":
            time.sleep(self.rng.uniform(0.5, 4))
        if how == "close":
            client.close()
        else:
            client.kill()
        if self.rng.random() < 0.3:
            self.world.stopping.wait(self.rng.uniform(3, 9))

    def closed(self, client):
        if self.temp:
            self.sealed = True
            return self.rename(client)
        self.path.told(self.g)
        self.touch(client)
        return True

    def touch(self, client):
        """Sets times, now and then; the upload is over, whatever comes."""
        if self.rng.random() < 0.15:
            try:
                client.set_times(self.path.name, self.rng.randint(1, 1 << 31))
            except (Broken, Refused):
                self.report.count("times not set")

    def confirm(self, client):
        """Every byte is there; it is not known whether it is published."""
        handle = client.open(self.name, WRITE | CREAT)
        client.set_size(handle, self.g.size)
        if not self.temp:
            self.path.asked(self.g)
        client.close_file(handle)
        return self.closed(client)

    def rename(self, client=None):
        ours = client is None
        client = client or self.actor.connect()
        try:
            return self.rename_by(client)
        except Refused as e:
            if e.code == 2 or "resume" in str(e) or "complete" in str(e):
                return self.not_sealed(client, e)
            raise
        finally:
            if ours:
                client.close()

    def rename_by(self, client):
        # Behind a RENAME without an answer it would hit the new object.
        asked = self.g in self.path.pending or self.g in self.path.unknown
        old = self.path.may() != {None} and not asked
        if old and not self.removed and self.rng.random() < 0.3:
            self.removed = True
            try:
                client.remove(self.path.name)
            except Refused as e:
                self.report.refused("hide", e)
        self.path.asked(self.g)
        client.posix_rename(self.name, self.path.name)
        self.path.told(self.g)
        self.touch(client)
        return True

    def not_sealed(self, client, why):
        """Refused: done already? Else it must be there to go on with."""
        self.path.lost(self.g)
        off = client.size(self.name)
        if off is not None:
            self.sealed = False
            self.begun = True
            return False
        if client.size(self.path.name) == self.g.size:
            self.path.told(self.g)
            return True
        raise Violation(f"sealed {self.name} of {self.g} is gone: {why}")

    def sftp_append(self, client):
        """Tried once: a second time it would follow what it appended."""
        if self.begun:
            size = client.size(self.name)
            if size == self.g.size:
                return self.confirm(client)
            off = size
            if off is None or not self.appends.size < off < self.g.size:
                raise Vanished()
            self.progress.begin(off)
            handle = client.open(self.name, WRITE | CREAT)
            return self.send(client, handle, off)
        self.begun = True
        flags = WRITE | CREAT | (APPEND if self.rng.random() < 0.5 else 0)
        handle = client.open(self.name, flags)
        self.progress.begin(self.appends.size)
        return self.send(client, handle, self.appends.size)


class FtpTurn:
    """The same over FTPS."""

    def __init__(self, up):
        self.up = up

    def go(self):
        ftp = self.connect()
        try:
            return self.transfer(ftp)
        finally:
            ftp.close()

    def connect(self):
        context = ssl._create_unverified_context()
        gw = self.up.world.gateway
        end = time.monotonic() + 60
        while True:
            ftp = ftplib.FTP_TLS(context=context)
            try:
                ftp.connect("127.0.0.1", gw.ftp_port, timeout=45)
                ftp.login("tester", self.up.world.password)
                ftp.prot_p()
                ftp.voidcmd("TYPE I")
                return ftp
            except FTP_ERRORS:
                ftp.close()
                if time.monotonic() > end:
                    raise
                time.sleep(0.3)

    def size(self, ftp, name):
        try:
            return ftp.size(name)
        except ftplib.error_perm:
            return None

    def transfer(self, ftp):
        up, off = self.up, 0
        if up.begun:
            off = up.offset(self.size(ftp, up.name))
            if off is None or off == 0 and up.g.size:
                up.fresh()
                off = 0
        if off == up.g.size and up.begun:
            return False  # the other door confirms it
        if off:
            up.report.count("resumes")
            if up.rng.random() < 0.5:
                conn = ftp.transfercmd("APPE " + up.name)
            else:
                conn = ftp.transfercmd("STOR " + up.name, off)
        else:
            if up.declares:
                ftp.voidcmd(f"ALLO {up.g.size}")
            conn = ftp.transfercmd("STOR " + up.name)
            up.begun = True
        up.progress.begin(off)
        return self.send(ftp, conn, off)

    def send(self, ftp, conn, off):
        up = self.up
        cut = up.cut_at(off)
        # What is on its way is not known to be there: only what was sent is.
        try:
            while off < cut:
                n = min(1 << 16, cut - off)
                up.progress.sent = max(up.progress.sent, off + n)
                conn.sendall(up.source(off, n))
                off += n
            if cut < up.g.size:
                up.report.count("clients killed")
                self.kill(ftp, conn)
                return False
            up.path.asked(up.g) if not up.temp else None
            conn.unwrap()
        finally:
            conn.close()
        ftp.voidresp()
        if up.temp:
            up.sealed = True
            return False  # the next turn renames it
        up.path.told(up.g)
        return True

    @staticmethod
    def kill(ftp, conn):
        for s in (conn, ftp.sock):
            try:
                s.setsockopt(
                    socket.SOL_SOCKET,
                    socket.SO_LINGER,
                    struct.pack("ii", 1, 0),
                )
            except OSError:
                pass
