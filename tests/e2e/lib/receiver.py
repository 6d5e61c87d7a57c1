# SPDX-License-Identifier: Apache-2.0
"""receiver.py FILE: a receiver of webhooks that trusts nobody.

Each POST is verified with the package standardwebhooks and read with the
package cloudevents, and becomes a line of JSON in FILE: the event, what the
signature was worth ("verified"), and the headers. Its port is in FILE.port. It
answers 204, or what FILE.answer holds: a status and headers, a line each; or
"hang", and then nothing comes, or "half", the beginning of an answer. Started
with the argument "check" it only looks whether the packages are there.
"""
import http.server
import json
import os
import sys
import threading

from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cloudevents.core.formats.json import JSONFormat
from standardwebhooks.webhooks import Webhook

FILE = sys.argv[1]
SECRET = os.environ.get("WEBHOOK_SECRET", "")
lock = threading.Lock()


def verified(headers, body):
    try:
        Webhook(SECRET).verify(body, headers)
        return "yes"
    except Exception as e:
        return repr(e)


def read(headers, body):
    e = from_http_event(HTTPMessage(headers=headers, body=body), JSONFormat())
    out = {k: str(v) for k, v in e.get_attributes().items()}
    out["data"] = e.get_data()
    if isinstance(out["data"], bytes):
        out["data"] = json.loads(out["data"])
    return out


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {k.lower(): v for k, v in self.headers.items()}
        line = {"verified": verified(headers, body), "headers": headers,
                "raw": body.decode(), "path": self.path}
        try:
            line["event"] = read(headers, body)
        except Exception as e:
            line["error"] = repr(e)
        answer = self.answer()
        line["answer"] = answer[0]
        with lock, open(FILE, "a") as out:
            print(json.dumps(line), file=out)
        self.say(answer)

    def answer(self):
        try:
            with open(FILE + ".answer") as f:
                return f.read().split("\n")
        except FileNotFoundError:
            return ["204"]

    def say(self, answer):
        if answer[0] == "half":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok")
        if answer[0] in ("half", "hang"):
            self.rfile.read(1)  # until the sender goes away
            self.close_connection = True
            return
        self.send_response(int(answer[0]))
        for h in filter(None, answer[1:]):
            self.send_header(*h.split(": ", 1))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


if FILE != "check":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with open(FILE + ".port.new", "w") as port:
        print(server.server_port, file=port)
    os.rename(FILE + ".port.new", FILE + ".port")
    server.serve_forever()
