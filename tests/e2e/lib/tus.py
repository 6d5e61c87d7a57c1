# SPDX-License-Identifier: Apache-2.0
"""Requests of tus 1.0.0 as the protocol's text has them, one at a time."""

import base64
import hashlib
import http.client
import os

import gw

PORT = int(os.environ["HTTP_PORT"])
OCTETS = "application/offset+octet-stream"


class Reply:
    def __init__(self, r):
        self.status = r.status
        self.body = r.read()
        self.headers = r.headers

    def offset(self):
        return int(self.headers["Upload-Offset"])


class Client:
    """One connection, kept alive as far as the server lets it."""

    def __init__(self, user=gw.USER, password=gw.PASSWORD):
        self.conn = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
        self.auth = "Basic " + base64.b64encode(
            f"{user}:{password}".encode()).decode()

    def ask(self, method, path, headers=None, body=None, version="1.0.0"):
        h = {"Authorization": self.auth}
        if version:
            h["Tus-Resumable"] = version
        h.update(headers or {})
        self.conn.request(method, path, body=body, headers=h)
        return Reply(self.conn.getresponse())

    def create(self, name, length=None, headers=None, body=None,
               folder="/tus/"):
        h = {"Upload-Metadata":
             "filename " + base64.b64encode(name.encode()).decode()}
        if length is None:
            h["Upload-Defer-Length"] = "1"
        else:
            h["Upload-Length"] = str(length)
        if body is not None:
            h["Content-Type"] = OCTETS
        h.update(headers or {})
        return self.ask("POST", folder, h, body)

    def patch(self, path, offset, body, headers=None):
        h = {"Content-Type": OCTETS, "Upload-Offset": str(offset)}
        h.update(headers or {})
        return self.ask("PATCH", path, h, body)

    def head(self, path):
        return self.ask("HEAD", path)


def checksum(name, data):
    return name + " " + base64.b64encode(
        hashlib.new(name, data).digest()).decode()


def check(reply, status, what):
    gw.must(reply.status == status,
            f"{what}: {reply.status} {reply.body!r}, not {status}")
    gw.must(reply.headers["Tus-Resumable"] == "1.0.0",
            f"{what}: no Tus-Resumable")
    return reply
