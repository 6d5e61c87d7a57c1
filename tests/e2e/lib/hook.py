# SPDX-License-Identifier: Apache-2.0
"""hook.py FILE [PORT]: a receiver of webhooks that writes each body, one a line.

Its port, a free one by default, is the first line of FILE.port. While FILE.down exists it answers 503,
while FILE.gone exists 410, while FILE.refuse exists 413.
"""
import http.server
import os
import sys

FILE = sys.argv[1]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = 204
        if os.path.exists(FILE + ".down"):
            status = 503
        elif os.path.exists(FILE + ".gone"):
            status = 410
        elif os.path.exists(FILE + ".refuse"):
            status = 413
        else:
            with open(FILE, "ab", 0) as out:
                out.write(body + b"\n")
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
with open(FILE + ".port.new", "w") as out:
    print(server.server_port, file=out)
os.rename(FILE + ".port.new", FILE + ".port")
server.serve_forever()
