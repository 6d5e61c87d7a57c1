# SPDX-License-Identifier: Apache-2.0
"""Looks into a Swift store by Swift's own interface, not through the gateway.

segments.py left       segments below the test's prefix that no manifest names,
                    each with what still speaks of its set: "upload" (one is
                    going on), "noted" (for the reaper), "lost" (nothing
                    does), and "note NAME" for notes that are not dealt with
segments.py lost       those that nothing speaks of alone
"""
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def send(method, url, headers=None, data=None):
    """Headers and body; None when there is no such thing."""
    request = urllib.request.Request(url, data, headers or {}, method=method)
    try:
        with OPENER.open(request, timeout=60) as reply:
            return reply.headers, reply.read()
    except urllib.error.HTTPError as e:
        if e.code == 404:
            return None
        raise


class Account:
    def __init__(self, env=os.environ, direct=""):
        """direct: how the variables begin of a server without a proxy."""

        def get(name):
            return env.get(f"{direct}SWIFT_{name}") or env[f"SWIFT_{name}"]

        self.container = get("CONTAINER")
        self.segments = self.container + "_segments"
        self.prefix = env.get(direct + "S3_PREFIX") or env["S3_PREFIX"]
        if get("AUTH") == "v1":
            self.tempauth(get)
        else:
            self.keystone(get)

    def tempauth(self, get):
        names = {"X-Auth-User": get("USER"), "X-Auth-Key": get("PASSWORD")}
        headers, _ = send("GET", get("AUTH_URL"), names)
        self.url, self.token = headers["X-Storage-Url"], headers["X-Auth-Token"]

    def keystone(self, get):
        domain = {"id": "default"}
        user = {
            "name": get("USER"),
            "password": get("PASSWORD"),
            "domain": domain,
        }
        scope = {"project": {"name": get("PROJECT"), "domain": domain}}
        identity = {"methods": ["password"], "password": {"user": user}}
        body = {"auth": {"identity": identity, "scope": scope}}
        headers, _ = send(
            "POST",
            get("AUTH_URL") + "/auth/tokens",
            {"Content-Type": "application/json"},
            json.dumps(body).encode(),
        )
        self.url, self.token = get("STORAGE_URL"), headers["X-Subject-Token"]

    def call(self, method, container, name="", query=""):
        path = urllib.parse.quote(f"/{container}/{name}".rstrip("/"))
        if name.endswith("/"):
            path += "/"
        return send(method, self.url + path + query, {"X-Auth-Token": self.token})

    def names(self, container, prefix):
        """All of them, page by page."""
        marker = ""
        while True:
            query = urllib.parse.urlencode(
                {"format": "json", "prefix": prefix, "marker": marker}
            )
            reply = self.call("GET", container, query="?" + query)
            page = json.loads(reply[1] or "[]") if reply else []
            if not page:
                return
            for o in page:
                yield o["name"]
            marker = page[-1]["name"]

    def named(self):
        """The segments that a manifest names."""
        out = set()
        start = f"/{self.segments}/"
        for name in self.names(self.container, self.prefix):
            head = self.call("HEAD", self.container, name)
            if not head or "X-Static-Large-Object" not in head[0]:
                continue
            got = self.call(
                "GET", self.container, name, "?multipart-manifest=get"
            )
            for segment in json.loads(got[1]) if got else []:
                out.add(segment["name"][len(start) :])
        return out

    def left(self):
        """A name that is listed late is asked for: the object may be gone."""
        kinds = {"segments": [], "uploads": [], "garbage": [], "owners": []}
        for name in self.names(self.segments, self.prefix):
            kinds[name[len(self.prefix) :].split("/")[0]].append(name)
        named = self.named() if kinds["segments"] else set()
        uploads = {tuple(name.split("/")[-2:]) for name in kinds["uploads"]}
        notes = {tuple(n.split("/")[-1].split("-")[1:3]) for n in kinds["garbage"]}
        lines = []
        for name in kinds["segments"]:
            if name in named or not self.call("HEAD", self.segments, name):
                continue
            of = tuple(name.split("/")[-3:-1])
            state = "upload" if of in uploads else "noted"
            if of not in uploads | notes:
                state = "lost"
            lines.append(f"{state} {name}")
        for name in kinds["garbage"]:
            if self.call("HEAD", self.segments, name):
                lines.append(f"note {name}")
        return lines


def main():
    for line in Account().left():
        if sys.argv[1] == "left" or line.startswith("lost "):
            print(line)


if __name__ == "__main__":
    main()
