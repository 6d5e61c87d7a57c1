# SPDX-License-Identifier: Apache-2.0
"""What WinSCP sends over SFTP, with its defaults, as its documentation and its
behaviour have it: files above 100 KiB go to NAME.filepart, which is resumed if
it is there; an old file is removed right before the rename; time and rights are
set behind that. Smaller files are written directly, and their SETSTAT is sent
without waiting for the reply to CLOSE."""
import os
import stat
import threading

import base
import paramiko
from paramiko.sftp import (
    CMD_CLOSE, CMD_HANDLE, CMD_OPEN, CMD_SETSTAT, CMD_STATUS,
    CMD_WRITE,
)
from paramiko.sftp_attr import SFTPAttributes

try:
    from paramiko.sftp import int64
except ImportError:  # up to 2.12
    from paramiko.py3compat import long as int64

WRITE, CREAT, TRUNC = 2, 8, 16
THRESHOLD = 100 * 1024
BLOCK = 32 * 1024
QUEUE = 64  # requests under way
CONNECTIONS = 9  # the most that its background transfers may use


class Replies:
    """Collects the replies to requests that are not waited for."""

    def __init__(self, sftp):
        self.sftp, self.open, self.failed = sftp, 0, []

    def send(self, *request):
        self.sftp._async_request(self, *request)
        self.open += 1
        while self.open >= QUEUE:
            self.sftp._read_response()

    def _async_response(self, kind, msg, _number):
        self.open -= 1
        code, text = msg.get_int(), msg.get_text()
        if kind != CMD_STATUS or code != 0:
            self.failed.append(f"{code} {text}")

    def wait(self):
        while self.open:
            self.sftp._read_response()
        if self.failed:
            raise SystemExit("refused: " + self.failed[0])


def times_of(file):
    attrs = SFTPAttributes()
    mtime = int(os.stat(file).st_mtime)
    attrs.st_atime, attrs.st_mtime = mtime, mtime
    attrs._flags = attrs.FLAG_AMTIME
    return attrs


class Client:
    def __init__(self):
        transport = paramiko.Transport((base.HOST, base.SFTP_PORT))
        transport.connect(username=base.USER, password=base.PASSWORD)
        self.transport = transport
        self.sftp = paramiko.SFTPClient.from_transport(transport)
        self.sftp.normalize(".")

    def version(self):
        print("replayed")

    def size(self, path):
        try:
            return self.sftp.lstat(path).st_size
        except FileNotFoundError:
            return None

    def write(self, file, path, flags, start, replies):
        """OPEN and all WRITEs; the handle."""
        kind, msg = self.sftp._request(
            CMD_OPEN, path.encode(), flags, SFTPAttributes())
        if kind != CMD_HANDLE:
            raise SystemExit("no handle")
        handle = msg.get_binary()
        with open(file, "rb") as source:
            source.seek(start)
            while data := source.read(BLOCK):
                replies.send(CMD_WRITE, handle, int64(start), data)
                start += len(data)
        return handle

    def upload(self, file, path):
        replies = Replies(self.sftp)
        old = self.size(path)
        if os.path.getsize(file) <= THRESHOLD:
            handle = self.write(file, path, WRITE | CREAT | TRUNC, 0, replies)
            replies.send(CMD_CLOSE, handle)
            replies.send(CMD_SETSTAT, path.encode(), times_of(file))
            replies.wait()
            return
        part = path + ".filepart"
        start = self.size(part)
        flags = WRITE if start is not None else WRITE | CREAT | TRUNC
        handle = self.write(file, part, flags, start or 0, replies)
        replies.wait()
        self.sftp._request(CMD_CLOSE, handle)
        if old is not None:
            self.sftp.remove(path)
        self.sftp.rename(part, path)
        self.sftp._request(CMD_SETSTAT, path.encode(), times_of(file))

    resume = upload_timed = upload

    def download(self, path, file):
        """Into a .filepart as well, which is resumed."""
        part = file + ".filepart"
        if os.path.exists(file):
            os.rename(file, part)
        attrs = self.sftp.lstat(path)
        with self.sftp.open(path, "rb") as f, open(part, "ab") as to:
            f.seek(to.tell())
            f.prefetch(attrs.st_size)
            to.write(f.read())
        os.utime(part, (attrs.st_mtime, attrs.st_mtime))
        os.rename(part, file)

    download_rest = download_timed = download

    def list(self, path):
        """It takes owner, group and rights from the long name."""
        for entry in self.sftp.listdir_attr(path):
            print(entry.longname)

    def rename_file(self, old, new):
        self.sftp.rename(old, new)

    def make_folder(self, path):
        self.sftp.mkdir(path)
        if not stat.S_ISDIR(self.sftp.lstat(path).st_mode):
            raise SystemExit("no folder")

    def remove_folder(self, path):
        self.sftp.rmdir(path)

    def parallel(self, folder, path):
        """A folder, in the background, over several connections."""
        queue, failed = base.files_of(folder), []
        try:
            self.sftp.mkdir(path)
        except OSError:
            pass  # it is there

        def work():
            try:
                client = Client()
                while queue:
                    file, name = queue.pop()
                    client.upload(file, f"{path}/{name}")
                client.transport.close()
            except (Exception, SystemExit) as e:
                failed.append(repr(e))

        threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.sftp.utime(path, (1580608922, 1580608922))
        if failed:
            raise SystemExit("\n".join(failed))


client = Client()
base.run(client)
client.transport.close()
