# SPDX-License-Identifier: Apache-2.0
"""What the Python clients share: where the gateway is and how they are called,
"PROGRAM OPERATION ARGUMENT..."."""
import os
import sys

HOST = "127.0.0.1"
USER = os.environ["GW_USER"]
PASSWORD = os.environ["PASSWORD"]
PROTO = os.environ["PROTO"]
SFTP_PORT = int(os.environ["SFTP_PORT"])
FTP_PORT = int(os.environ["FTP_PORT"])
FTPS_PORT = int(os.environ["FTPS_PORT"])


def run(client):
    getattr(client, sys.argv[1])(*sys.argv[2:])


def files_of(folder):
    return [(f"{folder}/{n}", n) for n in sorted(os.listdir(folder))]
