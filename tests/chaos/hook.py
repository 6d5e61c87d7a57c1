# SPDX-License-Identifier: Apache-2.0
"""A receiver of webhooks that misbehaves, and remembers all that was asked.

What becomes of a request is decided and noted before it is answered, so the
order of the notes is the order in which the sender can have known.
"""
import base64
import hashlib
import hmac
import http.server
import random
import socket
import threading
import time

FAILURES = 3  # of one event; each makes the next pause twice as long
SLOW = 0.1  # of the requests are looked at late
ANSWERS = {  # weight of each; a capital: the event counts as received
    "Good": 80,
    "Half": 3,  # 200, and the body never comes
    "Lost": 4,  # received, and the connection ends without an answer
    "500": 4,
    "429": 4,
    "closed": 3,
    "hangs": 1,
}


class Attempt:
    """One request: whose event, and whether it was received."""

    def __init__(self, event, accepted):
        self.id, self.accepted = event, accepted


class Hook:
    """Serves on a port of its own until it is closed."""

    def __init__(self, world):
        self.report = world.report
        self.seed = world.seed
        self.key = random.Random(f"{world.seed}/hook").randbytes(32)
        self.secret = "whsec_" + base64.b64encode(self.key).decode()
        self.lock = threading.Lock()
        self.attempts = []
        self.bodies = {}  # event -> the first body
        self.tries = {}  # event -> how often it was asked for
        self.failing = {}  # event -> how often it was refused
        self.calm = False
        self.away = False
        self.port = 0
        self.server = None
        self.open()

    def open(self):
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            timeout = 120

            def do_POST(self):
                hook.answer(self)

            def log_message(self, *_):
                pass

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        """Nobody listens; what is connected is told so at its next request."""
        self.server.shutdown()
        self.server.server_close()

    # --- one request

    def signed(self, headers, body):
        event, when = headers["webhook-id"], headers["webhook-timestamp"]
        text = f"{event}.{when}.".encode() + body
        mac = hmac.new(self.key, text, hashlib.sha256).digest()
        wanted = "v1," + base64.b64encode(mac).decode()
        return any(
            hmac.compare_digest(wanted, s)
            for s in headers["webhook-signature"].split(" ")
        )

    def answer(self, request):
        length = int(request.headers["Content-Length"])
        try:
            body = request.rfile.read(length)
        except OSError:
            body = b""
        if len(body) < length:
            self.report.count("webhook: requests cut short")
            request.close_connection = True
            return
        if not self.signed(request.headers, body):
            self.report.violation(f"a bad signature: {request.headers} {body}")
        if self.slow(request):
            return
        what = self.note(request.headers["webhook-id"], body)
        self.report.count(f"webhook: {what.lower()}")
        try:
            self.say(request, what)
        except OSError:
            request.close_connection = True

    def slow(self, request):
        """Takes its time; True when the sender did not wait for it."""
        if self.calm or random.random() >= SLOW:
            return False
        time.sleep(random.uniform(0.1, 1.5))
        try:
            gone = not request.connection.recv(
                1, socket.MSG_PEEK | socket.MSG_DONTWAIT
            )
        except BlockingIOError:
            return False
        except OSError:
            gone = True
        request.close_connection = gone
        if gone:
            self.report.count("webhook: senders gone meanwhile")
        return gone

    def note(self, event, body):
        with self.lock:
            if self.bodies.setdefault(event, body) != body:
                self.report.violation(
                    f"another body of {event}: {self.bodies[event]}, {body}"
                )
            what = self.choose(event)
            self.attempts.append(Attempt(event, what[0].isupper()))
        return what

    def choose(self, event):
        if self.away:
            return "503"
        self.tries[event] = n = self.tries.get(event, 0) + 1
        if self.calm or self.failing.get(event, 0) >= FAILURES:
            return "Good"
        rng = random.Random(f"{self.seed}/{event}/{n}")
        what = rng.choices(list(ANSWERS), list(ANSWERS.values()))[0]
        if not what[0].isupper() or what == "Lost":
            self.failing[event] = self.failing.get(event, 0) + 1
        return what

    def say(self, request, what):
        if what in ("Lost", "closed", "hangs"):
            request.close_connection = True
            if what == "hangs":
                request.rfile.read(1)  # until the sender goes away
            return
        if what == "Half":
            request.wfile.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"
            )
            request.close_connection = True
            return
        request.send_response(204 if what == "Good" else int(what))
        if what == "429":
            request.send_header("Retry-After", "2")
        request.send_header("Content-Length", "0")
        request.end_headers()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """Connections of killed processes end anyhow."""

    def server_bind(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        super().server_bind()
