# SPDX-License-Identifier: Apache-2.0
"""The gateway as a paramiko client sees it."""
import ftplib
import json
import os
import socket
import struct
import time

import paramiko
from paramiko.sftp import CMD_CLOSE

HOST = "127.0.0.1"
PORT = int(os.environ["SFTP_PORT"])
USER = os.environ["GW_USER"]
PASSWORD = os.environ["PASSWORD"]
CHUNK = 32768


def transport(user=USER, password=PASSWORD, port=PORT, ciphers=None):
    t = paramiko.Transport((HOST, port))
    if ciphers:
        t.get_security_options().ciphers = ciphers
    t.connect(username=user, password=password)
    return t


def sftp(**kwargs):
    """An SFTPClient; sftp.get_channel().get_transport() is its transport."""
    return paramiko.SFTPClient.from_transport(transport(**kwargs))


def close(client):
    client.get_channel().get_transport().close()


def kill(client):
    """As if the client had died: the connection is reset, nothing is said."""
    sock = client.get_channel().get_transport().sock
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def size(client, path):
    try:
        return client.stat(path).st_size
    except FileNotFoundError:
        return None


def print_size(path):
    client = sftp()
    found = size(client, path)
    print("" if found is None else found)
    close(client)


def close_file(client, handle):
    """Closes a file; SFTPFile.close() would hide that it failed."""
    client._request(CMD_CLOSE, handle.handle)
    handle._closed = True


def status():
    """What the daemon's control socket tells."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(os.environ["T"] + "/run/sluiced.sock")
        s.sendall(b"status\n")
        reply = s.makefile().read()
    must(reply.startswith("ok "), reply)
    return json.loads(reply[3:])


def received():
    return sum(w["received_bytes"] for w in status()["workers"])


def write_range(handle, source, start, end):
    """Writes source[start:end]; each write is acknowledged before the next."""
    handle.set_pipelined(False)
    handle.seek(start)
    source.seek(start)
    while start < end:
        data = source.read(min(CHUNK, end - start))
        handle.write(data)
        start += len(data)
    return start


def must(condition, text):
    if not condition:
        raise SystemExit("FAIL: " + text)


def refused(call, *args):
    """The error's text; the call must fail."""
    try:
        call(*args)
    except (paramiko.SSHException, *ftplib.all_errors) as e:
        return str(e)
    raise SystemExit(f"FAIL: {call.__name__}{args} was not refused")


def until(seconds, condition, text):
    end = time.monotonic() + 10 * seconds  # a busy machine has longer
    while not condition():
        must(time.monotonic() < end, text)
        time.sleep(0.05)
