# SPDX-License-Identifier: Apache-2.0
"""Python's ftplib, as the scripts on it do things."""
import ftplib
import os
import platform
import ssl
import threading
import time

import base


def connect():
    if base.PROTO == "ftp":
        ftp = ftplib.FTP()
    else:
        ftp = ftplib.FTP_TLS(context=ssl._create_unverified_context())
    ftp.connect(base.HOST, base.FTP_PORT)
    ftp.login(base.USER, base.PASSWORD)
    if base.PROTO == "ftps":
        ftp.prot_p()
    return ftp


class Client:
    def __init__(self):
        self.ftp = connect()

    def version(self):
        print("Python " + platform.python_version())

    def upload(self, file, path):
        with open(file, "rb") as f:
            self.ftp.storbinary(f"STOR {path}", f)

    def resume(self, file, path):
        offset = self.ftp.size(path)
        with open(file, "rb") as f:
            f.seek(offset)
            self.ftp.storbinary(f"STOR {path}", f, rest=offset)

    def download(self, path, file):
        with open(file, "wb") as f:
            self.ftp.retrbinary(f"RETR {path}", f.write)

    def download_rest(self, path, file):
        with open(file, "ab") as f:
            self.ftp.retrbinary(f"RETR {path}", f.write, rest=f.tell())

    def list(self, path):
        self.ftp.dir(path)
        for name, facts in self.ftp.mlsd(path):
            print("mlsd", name, facts)

    def rename_file(self, old, new):
        self.ftp.rename(old, new)

    def upload_timed(self, file, path):
        self.upload(file, path)
        mtime = time.gmtime(os.stat(file).st_mtime)
        self.ftp.sendcmd(time.strftime("MFMT %Y%m%d%H%M%S ", mtime) + path)
        reply = self.ftp.sendcmd(f"MDTM {path}")
        if reply != time.strftime("213 %Y%m%d%H%M%S", mtime):
            raise SystemExit(f"MDTM says {reply}")

    def make_folder(self, path):
        self.ftp.mkd(path)

    def remove_folder(self, path):
        self.ftp.rmd(path)

    def parallel(self, folder, path):
        """64 threads, a connection each."""
        failed = []

        def one(file, name):
            try:
                client = Client()
                client.upload(file, f"{path}/{name}")
                client.ftp.quit()
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
client.ftp.quit()
