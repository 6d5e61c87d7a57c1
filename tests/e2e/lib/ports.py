# SPDX-License-Identifier: Apache-2.0
"""Prints N free loopback ports: all are held until the last is known."""
import socket
import sys

held = []
for _ in range(int(sys.argv[1])):
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    held.append(s)
print(*(s.getsockname()[1] for s in held))
