# SPDX-License-Identifier: Apache-2.0
"""patient.py ftp|sftp FILE PATH SECONDS: uploads FILE as a client does that
gives up after so many seconds of silence: FileZilla looks at what its socket
takes (and gives it 256 KiB of buffer), WinSCP at the replies to its WRITEs."""
import ftplib
import os
import socket
import sys
import time

import gw

BLOCK = 32768


def ftp(source, path, patience):
    client = ftplib.FTP()
    client.connect(gw.HOST, int(os.environ["FTP_PORT"]))
    client.login(gw.USER, gw.PASSWORD)
    client.voidcmd("TYPE I")
    data = client.transfercmd("STOR " + path)
    data.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 262144)
    data.settimeout(patience)
    while block := source.read(BLOCK):
        data.sendall(block)
    data.close()
    client.voidresp()


def sftp(source, path, patience):
    client = gw.sftp()
    handle = client.open(path, "wb")
    handle.set_pipelined(False)
    longest = 0
    while block := source.read(BLOCK):
        start = time.monotonic()
        handle.write(block)
        longest = max(longest, time.monotonic() - start)
    gw.must(longest < patience, f"a reply took {longest:.1f} s")
    gw.close_file(client, handle)


with open(sys.argv[2], "rb") as f:
    {"ftp": ftp, "sftp": sftp}[sys.argv[1]](f, sys.argv[3], int(sys.argv[4]))
