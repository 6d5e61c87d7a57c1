# SPDX-License-Identifier: Apache-2.0
"""The daemon under test: configured, started, killed, looked at."""
import json
import os
import signal
import socket
import sqlite3
import subprocess
import threading
import time

from model import Violation

UP_SECONDS = 60

SETTINGS = {
    "daemon.workers": "3",
    "daemon.log_level": "info",
    "daemon.stall_timeout": "5s",
    "daemon.drain_timeout": "5s",
    "bridge.spool_sync": "1s",
    "bridge.takeover_idle": "1s",
    "bridge.takeover_wait": "5s",
    "limits.user_sessions": "500",
    "limits.addr_unauth": "200",
    "limits.failures": "1000",
}


class Gateway:
    def __init__(self, world):
        self.world = world
        self.env = world.env
        self.log = os.path.join(world.dir, "gateway.log")
        self.process = None
        self.extra_env = {}
        self.meant = threading.Lock()  # held while it is ended on purpose
        self.slowest_start = 0.0
        self.over = False

    def shell(self, script, **kwargs):
        """Runs a line of bash that has the end-to-end tests' functions."""
        line = '. "$E2E/lib/lib.sh"; trap - EXIT; ' + script
        return subprocess.run(
            ["bash", "-c", line],
            env=self.env,
            stdin=subprocess.DEVNULL,
            check=True,
            capture_output=True,
            text=True,
            **kwargs,
        ).stdout

    def configure(self, settings):
        words = " ".join(f"'{k}={v}'" for k, v in settings.items())
        out = self.shell(
            f"gw_configure {words}; echo $SFTP_PORT $FTP_PORT $PASSWORD;"
            " program sluiced; program sluicectl"
        ).split()
        for key, value in zip(("SFTP_PORT", "FTP_PORT", "PASSWORD"), out):
            self.env[key] = value
        self.sluiced, self.sluicectl = out[3:]
        self.sftp_port, self.ftp_port = int(out[0]), int(out[1])
        self.conf = self.env["T"] + "/sluice.ini"

    # --- life

    def start(self):
        """Until it answers, whoever of its children is killed meanwhile."""
        if self.over:
            raise Violation("started when all was over")
        began = time.monotonic()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.sluiced, "-c", self.conf],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**self.env, **self.extra_env},
            )
        while not self.answers():
            if self.process.poll() is not None:
                raise Violation(f"the daemon did not start: {self.tail()}")
            if time.monotonic() - began > UP_SECONDS:
                raise Violation("the daemon does not answer")
            time.sleep(0.02)
        took = time.monotonic() - began
        self.slowest_start = max(self.slowest_start, took)
        return took

    def answers(self):
        for port in (self.sftp_port, self.ftp_port):
            try:
                with socket.create_connection(("127.0.0.1", port), 1) as s:
                    s.settimeout(2)
                    if not s.recv(1):
                        return False
            except OSError:
                return False
        return True

    def tail(self):
        with open(self.log, "rb") as f:
            f.seek(max(0, os.path.getsize(self.log) - 3000))
            return f.read().decode(errors="replace")

    def running(self):
        return self.process is not None and self.process.poll() is None

    def killed(self):
        return self.process.poll() == -signal.SIGKILL

    def children(self, kind=""):
        """Pids of the master's children; kind: work, cour."""
        pid = self.process.pid
        out = []
        try:
            with open(f"/proc/{pid}/task/{pid}/children") as f:
                for child in f.read().split():
                    with open(f"/proc/{child}/comm") as comm:
                        if f"sluiced-{kind}" in comm.read():
                            out.append(int(child))
        except OSError:
            pass
        return out

    def kill(self, pid, sig=signal.SIGKILL):
        try:
            os.kill(pid, sig)
            return 1
        except ProcessLookupError:
            return 0

    def kill_everything(self):
        """All at once: the master cannot replace anybody."""
        if not self.running():
            return 0
        self.kill(self.process.pid, signal.SIGSTOP)
        pids = self.children()
        for pid in pids:
            self.kill(pid)
        self.kill(self.process.pid)
        self.process.wait()
        self.wait_gone(pids)
        return 1 + len(pids)

    def end(self):
        """For good, whatever the plan of faults has in mind."""
        self.over = True
        self.kill_everything()

    def kill_master(self):
        """Its children end by themselves when it is gone."""
        pids = self.children()
        self.kill(self.process.pid)
        self.process.wait()
        self.wait_gone(pids)

    def wait_gone(self, pids, seconds=60):
        end = time.monotonic() + seconds
        while any(os.path.exists(f"/proc/{pid}/fd") for pid in pids):
            if not any(alive(pid) for pid in pids):
                return
            if time.monotonic() > end:
                raise Violation("processes outlive their master")
            time.sleep(0.01)

    def terminate(self, seconds=60):
        pids = self.children()
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired as e:
            raise Violation("no end on SIGTERM") from e
        if status:
            raise Violation(f"the daemon ended with status {status}")
        self.wait_gone(pids)

    # --- what it says

    def ctl(self, *args):
        return subprocess.run(
            [self.sluicectl, "-c", self.conf, *args],
            capture_output=True,
            text=True,
            timeout=300,
            env=self.env,
        )

    def status(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            s.connect(self.env["T"] + "/run/sluiced.sock")
            s.sendall(b"status\n")
            return json.loads(s.makefile().read()[3:])

    def journal(self, sql):
        path = self.env["T"] + "/state/journal.db"
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
