# SPDX-License-Identifier: Apache-2.0
"""paramiko, as the scripts on it do things."""
import os
import threading

import base
import paramiko


class Client:
    def __init__(self):
        self.ssh = paramiko.SSHClient()
        self.ssh.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        self.ssh.connect(
            base.HOST, base.SFTP_PORT, base.USER, base.PASSWORD,
            allow_agent=False, look_for_keys=False,
        )
        self.sftp = self.ssh.open_sftp()

    def version(self):
        print(paramiko.__version__)

    def upload(self, file, path):
        self.sftp.put(file, path)

    def resume(self, file, path):
        offset = self.sftp.stat(path).st_size
        with open(file, "rb") as source, self.sftp.open(path, "ab") as f:
            f.set_pipelined(True)
            source.seek(offset)
            while data := source.read(32768):
                f.write(data)
        if self.sftp.stat(path).st_size != os.path.getsize(file):
            raise SystemExit("the size is wrong")

    def download(self, path, file):
        self.sftp.get(path, file)

    def download_rest(self, path, file):
        with self.sftp.open(path, "rb") as f, open(file, "ab") as to:
            f.seek(to.tell())
            to.write(f.read())

    def list(self, path):
        for entry in self.sftp.listdir_attr(path):
            print(entry)

    def rename_file(self, old, new):
        self.sftp.rename(old, new)

    def upload_timed(self, file, path):
        self.sftp.put(file, path)
        stat = os.stat(file)
        self.sftp.utime(path, (stat.st_atime, stat.st_mtime))

    def download_timed(self, path, file):
        self.sftp.get(path, file)
        stat = self.sftp.stat(path)
        os.utime(file, (stat.st_atime, stat.st_mtime))

    def make_folder(self, path):
        self.sftp.mkdir(path)

    def remove_folder(self, path):
        self.sftp.rmdir(path)

    def parallel(self, folder, path):
        """64 threads, a connection each."""
        failed = []

        def one(file, name):
            try:
                client = Client()
                client.upload(file, f"{path}/{name}")
                client.ssh.close()
            except Exception as e:
                failed.append(f"{name}: {e!r}")

        threads = [
            threading.Thread(target=one, args=f) for f in base.files_of(folder)
        ]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if failed:
            raise SystemExit("\n".join(failed))


client = Client()
base.run(client)
client.ssh.close()
