# SPDX-License-Identifier: Apache-2.0
"""Uploads by the programs that people use: OpenSSH, lftp, curl.

They are killed while they run, or meet what else goes on, and then go on by
their own means where that is safe: with an old object beside, a program
cannot tell its upload from it.

lftp uploads under a temporary name: when it loses its connection behind the
end of a file it ends the next attempt after a few blocks, as if they were all
of it, and then waits for ever (doc/clients.md).
"""
import os
import signal
import subprocess
import time

from model import Violation
from sftp import CREAT, WRITE, Broken, Refused

LFTP = "set net:max-retries 1; set xfer:use-temp-file yes; "
COMMANDS = {
    "sftp": ('sftp_batch <<<"put $1 $2"', 'sftp_batch <<<"reput $1 $2"'),
    "lftp-sftp": (
        f'lftp_do sftp "{LFTP}put $1 -o $2"',
        f'lftp_do sftp "{LFTP}put -c $1 -o $2"',
    ),
    "lftp-ftps": (
        f'lftp_do ftps "{LFTP}put $1 -o $2"',
        f'lftp_do ftps "{LFTP}put -c $1 -o $2"',
    ),
    "curl-ftps": (
        'curl_do ftps "$2" -T "$1"',
        'curl_do ftps "$2" -T "$1" -C -',
    ),
}
TRIES = 8
PATIENCE = 120  # seconds
LFTP_PATIENCE = 30


def start(actor, script, source, path):
    line = '. "$E2E/lib/lib.sh"; trap - EXIT; ' + script
    return subprocess.Popen(
        ["bash", "-c", line, "bash", source, path],
        env=actor.world.env,
        stdin=subprocess.DEVNULL,
        stdout=open(source + ".out", "wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def kill(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def run(actor, script, source, path, killed, patience):
    """True when the program says that all went well."""
    process = start(actor, script, source, path)
    if killed:
        time.sleep(actor.rng.uniform(0.1, 0.8))
        if process.poll() is None:
            actor.report.count("clients killed")
        kill(process)
        return False
    try:
        return process.wait(patience) == 0
    except subprocess.TimeoutExpired:
        actor.report.count("programs that hung")
        kill(process)
        return False


def confirmed(actor, path, g):
    """A program sends nothing when all is there, published or not."""
    client = actor.connect()
    try:
        if client.size(path.name) != g.size:
            return False
        handle = client.open(path.name, WRITE | CREAT)
        client.set_size(handle, g.size)
        client.close_file(handle)
        return True
    finally:
        client.close()


def check(actor, path, g, kind, source):
    """What a program takes for success must be one."""
    size = actor.world.store.size(path.name)
    if size != g.size:
        with open(source + ".out", errors="replace") as f:
            raise Violation(
                f"{kind} put {g} with success, there is {size}: {f.read()}"
            )


def upload(actor, path):
    report, rng = actor.report, actor.rng
    kind = rng.choice(list(COMMANDS))
    put, resume = COMMANDS[kind]
    patience = LFTP_PATIENCE if "lftp" in kind else PATIENCE
    g = actor.world.maker.make(max(1, min(actor.size(), 60_000_000)))
    source = f"{actor.world.dir}/source.{actor.number}"
    g.resent = True  # a program may send it again without a word
    g.write_to(source)
    may_resume = path.may() == {None} and not path.dirty
    report.count("uploads begun")
    path.asked(g)
    if "lftp" in kind:
        path.widen(None)  # it may remove the old object before its RENAME
    try:
        killed = rng.random() < 0.4
        if run(actor, put, source, path.name, killed, patience):
            path.told(g)
            check(actor, path, g, kind, source)
            report.count("uploads")
            report.count("uploads by " + kind)
            return
        for _ in range(TRIES if may_resume else 0):
            if actor.world.stopping.is_set():
                break
            killed = rng.random() < 0.2
            went = run(actor, resume, source, path.name, killed, patience)
            try:
                if confirmed(actor, path, g):
                    path.told(g)
                    report.count("uploads")
                    report.count("uploads by " + kind)
                    return
                if went:
                    report.count("resumed, but not confirmed")
            except (Broken, Refused):
                pass
            time.sleep(0.3)
        path.lost(g)
        path.dirty = True
        report.count("given up")
    finally:
        for name in (source, source + ".out"):
            if os.path.exists(name):
                os.unlink(name)
