# SPDX-License-Identifier: Apache-2.0
"""A store that misbehaves: a proxy in front of it, and SIGSTOP."""
import json
import os
import signal
import subprocess
import time
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))

# Requests, as method and pattern of path and query.
S3 = {
    "create": ("POST", r"[?&]uploads"),
    "complete": ("POST", r"uploadId="),
    "part": ("PUT", r"partNumber="),
    "put": ("PUT", r"^[^?]*$"),
    "any": (None, ""),
}
SWIFT = {
    "create": ("PUT", r"_segments/.*/uploads/"),
    "complete": ("PUT", r"multipart-manifest=put"),
    "part": ("PUT", r"_segments/.*/segments/"),
    "put": ("PUT", r"^[^?]*/inbox/[^?]*$"),
    "any": (None, ""),
}


class StoreFaults:
    PLAN = {
        "store_status": 12,
        "store_lost_reply": 12,
        "store_cut": 8,
        "store_error200": 5,
        "store_corrupt": 4,
        "store_etag": 4,
        "store_slow": 3,
        "store_stopped": 3,
    }
    NAME = "storefaults"

    def __init__(self, world):
        self.world = world
        self.requests = SWIFT if world.kind == "swift-native" else S3
        self.process = subprocess.Popen(
            [HERE + "/../fake/fault_proxy", world.env["DIRECT_S3_ENDPOINT"]],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = self.process.stdout.readline().strip()
        world.env["S3_ENDPOINT"] = self.url
        if "SWIFT_AUTH_URL" in world.env:
            path = urllib.parse.urlsplit(world.env["SWIFT_AUTH_URL"]).path
            world.env["SWIFT_AUTH_URL"] = self.url + path

    def close(self):
        self.process.terminate()
        self.process.wait()

    def _control(self, method, data=None):
        request = urllib.request.Request(
            self.url + "/-/rules", data=data, method=method
        )
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({})
        )
        with opener.open(request, timeout=10) as reply:
            return json.loads(reply.read())

    def rule(self, request, times, **what):
        method, match = self.requests[request]
        rule = {"match": match, "times": times, **what}
        if method:
            rule["method"] = method
        self._control("POST", json.dumps(rule).encode())
        self.world.report.count("rules for the store's proxy")

    def clear(self):
        """All is well again; counts what was done."""
        for rule in self._control("GET")["rules"]:
            self.world.report.count(f"store: {rule['do']}", rule["hit"])
        self._control("DELETE")

    def calm(self):
        self.clear()

    def store_status(self, args):
        request = args.choice(list(self.requests))
        status = args.choice((500, 503, 503, 429))
        more = {"status": status}
        if args.random() < 0.5:
            more["seconds"] = args.choice((1, 2))
        self.rule(request, args.randint(1, 6), do="status", **more)

    def store_lost_reply(self, args):
        """It took effect, but nobody hears of it."""
        request = args.choice(("create", "complete", "put") * 2 + ("part",))
        self.rule(request, args.randint(1, 3), do="cut-reply")

    def store_cut(self, args):
        request = args.choice(("part", "put"))
        self.rule(
            request,
            args.randint(1, 3),
            do="cut-request",
            bytes=args.choice((0, 1000, 40000, 1000000)),
        )

    def store_error200(self, args):
        self.rule(
            "complete",
            args.randint(1, 2),
            **{"do": "error200", "pass": args.random() < 0.5},
        )

    def store_corrupt(self, args):
        request = args.choice(("part", "put"))
        self.rule(request, 1, do="corrupt", bytes=args.choice((0, 500)))

    def store_etag(self, args):
        self.rule(args.choice(("part", "put")), 1, do="etag")
        self.world.lied_at = time.monotonic()

    def store_slow(self, args):
        seconds = args.choice((0.5, 3))
        self.rule("any", args.randint(3, 20), do="delay", seconds=seconds)

    def store_stopped(self, args):
        """SIGSTOP: connections are taken, and nothing is answered."""
        pids = []
        for name in os.listdir(self.world.server):
            if name.endswith(".pid"):
                with open(f"{self.world.server}/{name}") as f:
                    pids.append(int(f.read()))
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(args.choice((0.5, 2, 6)))
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
