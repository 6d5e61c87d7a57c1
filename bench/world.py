# SPDX-License-Identifier: Apache-2.0
"""What the programs in this folder share: servers to measure, and how."""

import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from s3 import S3

GIB = 1 << 30
MIB = 1 << 20
CIPHER = "aes128-gcm@openssh.com"
TICK = os.sysconf("SC_CLK_TCK")
# Zen with glibc before 2.40: the slow path of `rep movsb` (all servers alike).
TUNABLES = "glibc.cpu.x86_rep_movsb_threshold=100000000"
RAM = "/dev/shm"
USER, PASSWORD = "bench", "bench-password"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port, proc, what, log=None):
    end = time.time() + 20
    while time.time() < end:
        if proc.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    if log:
        with open(log, encoding="utf-8", errors="replace") as f:
            print("".join(f.readlines()[-5:]), file=sys.stderr, end="")
    sys.exit(f"bench: {what} does not listen on port {port}")


def end_process(proc):
    if proc and proc.poll() is None:
        proc.send_signal(signal.SIGTERM)
        try:
            proc.wait(15)
        except subprocess.TimeoutExpired:
            proc.kill()
            proc.wait()


def stat_of(pid):
    """(ppid, own CPU ticks, CPU ticks of children that were waited for)"""
    with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[1]), int(fields[11]) + int(fields[12]),
            int(fields[13]) + int(fields[14]))


def tree(root):
    """Process ids below root, itself included, with their ticks."""
    stats = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                stats[int(name)] = stat_of(name)
            except (OSError, IndexError):
                pass
    found = {root: stats[root]} if root in stats else {}
    more = True
    while more:
        more = False
        for pid, st in stats.items():
            if pid not in found and st[0] in found:
                found[pid] = st
                more = True
    return found


def cpu_seconds(root):
    return sum(own + dead for _, own, dead in tree(root).values()) / TICK


def pss_bytes(root):
    total = 0
    for pid in tree(root):
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
                for line in f:
                    if line.startswith("Pss:"):
                        total += int(line.split()[1]) * 1024
        except OSError:
            pass
    return total


class Peak(threading.Thread):
    """The highest PSS of a process tree while it runs."""

    def __init__(self, root):
        super().__init__(daemon=True)
        self.root, self.peak, self.over = root, 0, threading.Event()

    def run(self):
        while not self.over.wait(0.1):
            self.peak = max(self.peak, pss_bytes(self.root))

    def stop(self):
        self.over.set()
        self.join()
        return self.peak


def median(rows, keys=("wall_s", "mb_s", "cpu_s", "cpu_s_per_gib")):
    out = dict(rows[0])
    for key in keys:
        if key in out:
            out[key] = round(statistics.median(r[key] for r in rows), 3)
    if "peak_pss_mib" in out:
        out["peak_pss_mib"] = max(r["peak_pss_mib"] for r in rows)
    out["failed"] = sum(r["failed"] for r in rows)
    out["rounds"] = len(rows)
    return out


def measure(server, clients):
    """Runs the processes that clients() starts, and says what the server
    spent meanwhile."""
    cpu = cpu_seconds(server.proc.pid)
    pss = Peak(server.proc.pid)
    pss.start()
    begin = time.time()
    failed = 0
    for p in clients():
        err = p.communicate()[1].decode(errors="replace").strip()
        if p.returncode:
            failed += 1
            print(f"bench: {server.name}: {err}", file=sys.stderr)
    wall = time.time() - begin
    time.sleep(0.3)  # children that ended are waited for
    return {"server": server.name, "wall_s": round(wall, 3),
            "cpu_s": round(cpu_seconds(server.proc.pid) - cpu, 3),
            "peak_pss_mib": round(pss.stop() / MIB, 1), "failed": failed}


def rates(row, total):
    """The same row, with what it means for so many bytes."""
    return {**row, "bytes": total,
            "mb_s": round(total / row["wall_s"] / 1e6, 1),
            "cpu_s_per_gib": round(row["cpu_s"] / (total / GIB), 3)}


def median(rows):
    out = dict(rows[0])
    for key in ("wall_s", "mb_s", "cpu_s", "cpu_s_per_gib"):
        if key in out:
            out[key] = round(statistics.median(r[key] for r in rows), 3)
    out["peak_pss_mib"] = max(r["peak_pss_mib"] for r in rows)
    out["failed"] = sum(r["failed"] for r in rows)
    out["rounds"] = len(rows)
    return out


def program(name):
    """Where a server's program is; None, and a word about it, where not."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if not path:
        print(f"bench: no {name} (scripts/install-packages bench): left out",
              file=sys.stderr)
    return path


def add_arguments(parser):
    build = os.environ.get("BUILD_DIR", ".")
    parser.add_argument("--sluiced", default=f"{build}/daemon/sluiced")
    parser.add_argument("--null-s3", default=f"{build}/tests/fake/null_s3")
    parser.add_argument("--dir", default="/var/tmp",
                        help="for spool and state")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--smoke", action="store_true",
                        help="once, with next to no data: shows that this "
                        "works")


def check_arguments(args, program, *more):
    """Makes the programs' paths absolute and sees that they are there."""
    for name in ("sluiced", "null_s3", *more):
        path = os.path.abspath(getattr(args, name))
        setattr(args, name, path)
        if not os.access(path, os.X_OK):
            sys.exit(f"bench: {path} is missing: run this in the build "
                     f"folder, after make, as {program}")


def print_ratios(found):
    for r in found:
        low = "at_least" in r
        limit = r["at_least"] if low else r["limit"]
        good = r["value"] >= limit if low else r["value"] <= limit
        print(f"{r['what']:52}{r['value']:7.2f}  "
              f"({'at least' if low else 'at most'} {limit})  "
              f"{'ok' if good else 'MISSED'}")


class Server:
    """A server under test: start(), then port and proc."""

    def __init__(self, name, world):
        self.name, self.world = name, world
        self.port, self.proc, self.sink = free_port(), None, None
        self.sink_options = []
        self.user, self.dir, self.ftp_port = USER, ".", None

    def spawn(self, argv, **kw):
        path = f"{self.world.dir}/{self.name}.log"
        log = open(path, "ab")
        env = dict(os.environ, GLIBC_TUNABLES=TUNABLES)
        env.pop("AWS_CA_BUNDLE", None)
        self.proc = subprocess.Popen(argv, stdout=log, stderr=log,
                                     stdin=subprocess.DEVNULL, env=env, **kw)
        wait_port(self.port, self.proc, self.name, path)

    def start_sink(self):
        port = free_port()
        proc = subprocess.Popen([self.world.args.null_s3, "-p", str(port),
                                 *self.sink_options],
                                stdout=subprocess.DEVNULL)
        self.sink = port, proc
        wait_port(port, proc, "null_s3")
        return f"http://127.0.0.1:{port}"

    def stop(self):
        for proc in (self.proc, self.sink and self.sink[1]):
            end_process(proc)


class Sluice(Server):
    """Listens for SFTP on port; with ftp=True for FTP(S) on ftp_port too. The
    store is a null sink of its own where none is given."""

    def __init__(self, name, world, payload="auto", ftp=False, store=None):
        super().__init__(name, world)
        self.payload, self.store, self.spool_max = payload, store, "8G"
        self.ftp_port = free_port() if ftp else None

    def settings(self):
        base = self.base
        ftp = f"ftp = 127.0.0.1:{self.ftp_port}" if self.ftp_port else ""
        section = "" if not self.ftp_port else f"""[ftp]
tls = optional
data_tls = optional
allow_plain = yes
certificate = {base}/certificate
private_key = {base}/private_key
"""
        store = self.store or S3(self.start_sink(), "bench", "bench",
                                 "benchbench")
        self.store = store
        return f"""[daemon]
sftp = 127.0.0.1:{self.port}
{ftp}
users_file = {base}/users.ini
run_dir = {base}/run
log_level = warn
[bridge]
state_dir = {base}/state
spool_dir = {base}/spool
spool_max = {self.spool_max}
[limits]
addr_unauth = 200
unauth = 256
user_sessions = 200
[sftp]
host_key = {base}/host_key
make_host_keys = yes
gcm = yes
{section}[store.main]
type = s3
endpoint = {store.endpoint}
bucket = {store.bucket}
access_key = {store.access}
secret_key = {store.secret}
payload = {self.payload}
"""

    def write(self, name, text):
        path = f"{self.base}/{name}"
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
        os.chmod(path, 0o600)

    def start(self):
        base = tempfile.mkdtemp(prefix="sluice-", dir=self.world.args.dir)
        self.base = base
        for sub in ("state", "spool", "run"):
            os.mkdir(f"{base}/{sub}", 0o700)
        user = f"[{USER}]\nkey1 = {self.world.public}\nhome = /\n"
        if self.ftp_port:
            self.world.certificate()
            for name in ("certificate", "private_key"):
                shutil.copy(f"{self.world.dir}/{name}", f"{base}/{name}")
            user += f'password = "{self.world.password_hash()}"\n'
        self.write("users.ini", user)
        self.write("sluice.ini", self.settings())
        argv = [self.world.args.sluiced, "-c", f"{base}/sluice.ini"]
        kw = {}
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "nobody", base], check=True)
            os.chmod(base, 0o700)
            kw = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        self.command = argv, kw
        self.spawn(argv, **kw)

    def again(self):
        """Started anew, when all of its processes are gone."""
        argv, kw = self.command
        self.spawn(argv, **kw)

    def stop(self):
        super().stop()
        shutil.rmtree(self.base, ignore_errors=True)


    def put(self, name, path):
        """A file of the same size; the sink keeps no bytes anyway."""
        subprocess.run(["curl", "-sSf", "-T", path, "-o", os.devnull,
                        f"{self.store.endpoint}/{self.store.bucket}/{name}"],
                       check=True)


class Sshd(Server):
    def start(self):
        self.ram = tempfile.mkdtemp(prefix="sluice-bench-", dir=RAM)
        self.dir = self.ram
        self.user = os.environ.get("USER") or "root"
        base = self.world.dir
        os.makedirs("/run/sshd", exist_ok=True)
        with open(f"{base}/sshd_config", "w", encoding="ascii") as f:
            f.write(f"""ListenAddress 127.0.0.1:{self.port}
HostKey {base}/host_key
AuthorizedKeysFile {base}/key.pub
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PidFile none
MaxStartups 200
MaxSessions 50
Subsystem sftp internal-sftp
""")
        self.spawn([program("sshd"), "-D", "-e",
                    "-f", f"{base}/sshd_config"])

    def clean(self):
        for name in os.listdir(self.ram):
            os.unlink(f"{self.ram}/{name}")

    def stop(self):
        super().stop()
        shutil.rmtree(self.ram, ignore_errors=True)


    def put(self, name, path):
        shutil.copy(path, f"{self.ram}/{name}")


class Proftpd(Server):
    def start(self):
        self.ftp_port = self.port
        self.ram = tempfile.mkdtemp(prefix="sluice-bench-", dir=RAM)
        base, root = self.world.dir, os.geteuid() == 0
        uid, gid = (65534, 65534) if root else (os.getuid(), os.getgid())
        os.chown(self.ram, uid, gid)
        self.world.certificate()
        with open(f"{base}/ftp.passwd", "w", encoding="ascii") as f:
            f.write(f"{USER}:{self.world.password_hash()}:{uid}:{gid}::"
                    f"{self.ram}:/bin/false\n")
        os.chmod(f"{base}/ftp.passwd", 0o600)
        who = "User nobody\nGroup nogroup" if root else ""
        with open(f"{base}/proftpd.conf", "w", encoding="ascii") as f:
            f.write(f"""ServerType standalone
ServerName bench
DefaultAddress 127.0.0.1
SocketBindTight on
Port {self.port}
{who}
ModulePath /usr/lib/proftpd
LoadModule mod_tls.c
PidFile {base}/proftpd.pid
ScoreboardFile {base}/proftpd.scoreboard
DelayEngine off
SystemLog {base}/proftpd.log
TransferLog none
WtmpLog off
UseReverseDNS off
UseIPv6 off
AuthOrder mod_auth_file.c
AuthUserFile {base}/ftp.passwd
RequireValidShell off
DefaultRoot ~
AllowOverwrite on
TimesGMT on
TLSEngine on
TLSRequired off
TLSECCertificateFile {base}/certificate
TLSECCertificateKeyFile {base}/private_key
TLSOptions NoSessionReuseRequired
TLSVerifyClient off
""")
        self.spawn([program("proftpd"), "-n", "-q", "-c", f"{base}/proftpd.conf"])

    def put(self, name, path):
        shutil.copy(path, f"{self.ram}/{name}")
        os.chmod(f"{self.ram}/{name}", 0o644)

    def stop(self):
        super().stop()
        shutil.rmtree(self.ram, ignore_errors=True)


class Rclone(Server):
    def start(self):
        base = self.world.dir
        with open(f"{base}/rclone.conf", "w", encoding="ascii") as f:
            f.write(f"""[sink]
type = s3
provider = Other
endpoint = {self.start_sink()}
access_key_id = bench
secret_access_key = benchbench
no_check_bucket = true
""")
        self.spawn(["rclone", "--config", f"{base}/rclone.conf", "serve",
                    "sftp", "sink:bench", "--addr",
                    f"127.0.0.1:{self.port}", "--user", "bench",
                    "--authorized-keys", f"{base}/key.pub", "--key",
                    f"{base}/host_key", "--vfs-cache-mode", "off"])


class World:
    def __init__(self, args):
        # So that what was started and made goes also when we are ended.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: ended"))
        self.args = args
        self.dir = tempfile.mkdtemp(prefix="sluice-bench-", dir=args.dir)
        os.chmod(self.dir, 0o755)
        for name in ("key", "host_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "",
                            "-f", f"{self.dir}/{name}"], check=True)
        with open(f"{self.dir}/key.pub", encoding="ascii") as f:
            self.public = " ".join(f.read().split()[:2])
        self.files = {}

    def file(self, size):
        """A source file on the RAM disk: incompressible, cheap to make."""
        if size not in self.files:
            fd, path = tempfile.mkstemp(prefix="sluice-source-", dir=RAM)
            block = os.urandom(MIB)
            for off in range(0, size, MIB):
                os.write(fd, block[: min(MIB, size - off)])
            os.close(fd)
            self.files[size] = path
        return self.files[size]

    def certificate(self):
        if not os.path.exists(f"{self.dir}/certificate"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec",
                            "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-days", "2", "-subj", "/CN=localhost", "-keyout",
                            f"{self.dir}/private_key", "-out",
                            f"{self.dir}/certificate"], check=True,
                           stderr=subprocess.DEVNULL)

    def password_hash(self):
        return subprocess.run(["openssl", "passwd", "-6", PASSWORD],
                              check=True, stdout=subprocess.PIPE,
                              encoding="ascii").stdout.strip()

    def close(self):
        for path in self.files.values():
            os.unlink(path)
        shutil.rmtree(self.dir, ignore_errors=True)

    def sftp(self, server, commands, cipher=CIPHER, options=(), port=None):
        batch = tempfile.NamedTemporaryFile("w", dir=self.dir, delete=False)
        batch.write("".join(c + "\n" for c in commands))
        batch.close()
        choice = ["-c", cipher] if cipher else []
        return subprocess.Popen(
            ["sftp", "-q", "-b", batch.name, *choice, "-P",
             str(port or server.port), "-i", f"{self.dir}/key", "-F", "none",
             "-o", "StrictHostKeyChecking=no", "-o", "IdentitiesOnly=yes",
             "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
             *options, f"{server.user}@127.0.0.1"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
