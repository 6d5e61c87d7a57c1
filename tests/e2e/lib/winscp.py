# SPDX-License-Identifier: Apache-2.0
"""Uploads a file in the steps that WinSCP takes.

winscp.py upload FILE PATH BYTES   stops after BYTES and waits to be killed;
                                   writes what was acknowledged to T/acked
winscp.py resume FILE PATH         goes on; prints the offset it was told
"""
import os
import sys
import time

from paramiko.sftp import CMD_HANDLE, CMD_OPEN
from paramiko.sftp_attr import SFTPAttributes
from paramiko.sftp_file import SFTPFile

import gw

WRITE, CREAT, TRUNC = 2, 8, 16


def open_file(client, path, flags, size=None):
    attrs = SFTPAttributes()
    attrs.st_size = size
    attrs._flags = attrs.FLAG_SIZE if size is not None else 0
    kind, msg = client._request(CMD_OPEN, path.encode(), flags, attrs)
    gw.must(kind == CMD_HANDLE, "OPEN gives a handle")
    return SFTPFile(client, msg.get_binary(), "wb", -1)


def upload(client, source, path, stop):
    total = os.fstat(source.fileno()).st_size
    gw.must(gw.size(client, path + ".filepart") is None, "nothing is there")
    handle = open_file(
        client, path + ".filepart", WRITE | CREAT | TRUNC, total
    )
    acked = gw.write_range(handle, source, 0, stop)
    with open(os.environ["T"] + "/acked.new", "w") as f:
        f.write(str(acked))
    os.rename(f.name, os.environ["T"] + "/acked")
    time.sleep(600)


def resume(client, source, path):
    total = os.fstat(source.fileno()).st_size
    offset = gw.size(client, path + ".filepart")
    gw.must(offset is not None, "the .filepart is there")
    handle = open_file(client, path + ".filepart", WRITE)
    handle.set_pipelined(True)
    source.seek(offset)
    handle.seek(offset)
    while data := source.read(gw.CHUNK):
        handle.write(data)
    gw.close_file(client, handle)
    gw.must(gw.size(client, path + ".filepart") == total, "sealed whole")
    if gw.size(client, path) is not None:
        client.remove(path)
        gw.must(gw.size(client, path) is None, "the old object is hidden")
    client.rename(path + ".filepart", path)
    client.utime(path, (1234567890, 1234567890))
    stat = client.stat(path)
    gw.must(stat.st_size == total, "size under the final name")
    gw.must(stat.st_mtime == 1234567890, "time that was set")
    gw.must(gw.size(client, path + ".filepart") is None, "no .filepart left")
    print(offset)


if __name__ == "__main__":
    client = gw.sftp()
    with open(sys.argv[2], "rb") as f:
        if sys.argv[1] == "upload":
            upload(client, f, sys.argv[3], int(sys.argv[4]))
        else:
            resume(client, f, sys.argv[3])
    gw.close(client)
