# SPDX-License-Identifier: Apache-2.0
"""Receivers of events: a webhook and Kafka, each away now and then, and a
courier that is killed more often than anything else.

At the end each sink must have every event of the journal as the journal has
it, repeated or not, with the first arrivals of each key in the journal's order.
"""
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

from hook import Attempt, Hook

DRAINED = 400  # seconds, for all that waits once nothing fails any more
SOURCE = "urn:sluice:chaos"
TYPES = {
    "parked": "upload.parked",
    "aborted": "upload.aborted",
    "lost": "upload.lost",
    "unclaimed": "upload.unclaimed",
}
KEYS = "SELECT seq, id, kind, body FROM events ORDER BY seq"
LEFT = (
    "SELECT name, cursor, state, (SELECT max(seq) FROM events),"
    " (SELECT count(*) FROM deliveries d WHERE d.sink = s.name AND d.state = 0)"
    " FROM sinks s"
)


class Webhook:
    NAME = "hook"

    def __init__(self, world):
        self.hook = Hook(world)

    def settings(self):
        return {
            "type": "webhook",
            "url": f"http://127.0.0.1:{self.hook.port}/hook",
            "secret": self.hook.secret,
            "allow_private": "yes",
            "timeout": "2s",
        }

    def go_away(self, args, stop):
        """It answers 503, or nobody listens."""
        hook = self.hook
        listens = args.random() < 0.5
        hook.away = True
        if not listens:
            hook.close()
        stop.wait(args.choice((1, 3, 6)))
        if not listens:
            hook.open()
        hook.away = False

    def calm(self):
        self.hook.calm = True

    def close(self):
        self.hook.close()

    def arrivals(self):
        """Attempts in their order; and what was in each event."""
        with self.hook.lock:
            bodies = dict(self.hook.bodies)
            return list(self.hook.attempts), {
                event: json.loads(body) for event, body in bodies.items()
            }


class Kafka:
    NAME = "log"

    def __init__(self, world):
        self.world = world
        self.brokers = world.args.kafka_env["KAFKA_BROKERS"]
        self.topic = os.path.basename(world.dir)
        self.pid = self.server_pid(world.args.kafka)
        sys.path.insert(0, world.env["E2E"] + "/lib")

    def server_pid(self, folder):
        for name in ("kafka", "mock"):
            path = f"{folder}/{name}.pid"
            if os.path.exists(path):
                with open(path) as f:
                    return int(f.read())
        raise SystemExit(f"no broker in {folder}")

    def settings(self):
        return {
            "type": "kafka",
            "brokers": self.brokers,
            "topic": self.topic,
            "timeout": "4s",
        }

    def go_away(self, args, stop):
        os.kill(self.pid, signal.SIGSTOP)
        stop.wait(args.choice((1, 3, 6)))
        os.kill(self.pid, signal.SIGCONT)

    def calm(self):
        pass

    def close(self):
        pass

    def arrivals(self):
        attempts, events, kept = [], {}, {}
        for record in self.records():
            event = event_of(record)
            first = kept.setdefault(event["id"], record)
            for field in ("payload", "headers", "key", "partition"):
                if first[field] != record[field]:
                    self.world.report.violation(
                        f"Kafka: another {field} of {event['id']}:"
                        f" {first[field]}, {record[field]}"
                    )
            events[event["id"]] = event
            if record["key"] != event["subject"]:
                self.world.report.violation(f"Kafka: another key: {record}")
            attempts.append(Attempt(event["id"], True))
        return attempts, events

    def records(self):
        """In the order of each partition, from its first record on."""
        out = subprocess.run(
            ["kcat", "-b", self.brokers, "-C", "-t", self.topic,
             "-o", "beginning", "-e", "-q", "-J"],
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        if out.returncode:
            self.world.report.violation(f"kcat: {out.stderr}")
        records = [json.loads(line) for line in out.stdout.splitlines()]
        next_offset = {}
        for r in records:
            due = next_offset.get(r["partition"], 0)
            if r["offset"] != due:
                self.world.report.violation(
                    f"Kafka: partition {r['partition']} goes on at"
                    f" {r['offset']} instead of {due}"
                )
            next_offset[r["partition"]] = r["offset"] + 1
        return records


def event_of(record):
    pairs = record["headers"]
    headers = dict(zip(pairs[::2], pairs[1::2]))
    event = {k[3:]: v for k, v in headers.items() if k.startswith("ce_")}
    event["datacontenttype"] = headers["content-type"]
    event["data"] = json.loads(record["payload"])
    return event


class Sinks:
    NAME = "sinks"
    KINDS = {"webhook": Webhook, "kafka": Kafka}

    def __init__(self, world, kinds, crash_points):
        self.world, self.points = world, crash_points
        self.sinks = [self.KINDS[kind](world) for kind in kinds]
        self.PLAN = {"kill_courier": 30, "reload": 12}
        if crash_points:
            self.PLAN["courier_point"] = 30
        self.over = threading.Event()
        self.threads = []

    def settings(self):
        out = {"events.source": SOURCE}
        for sink in self.sinks:
            settings = {"from": "start", **sink.settings()}
            for key, value in settings.items():
                out[f"sink.{sink.NAME}.{key}"] = value
        return out

    # --- what breaks

    def begin(self):
        self.beside(self.kill_couriers)
        for sink in self.sinks:
            self.beside(self.outages, sink)

    def beside(self, what, *args):
        """Beside the plan of faults."""
        t = threading.Thread(target=what, args=args, daemon=True)
        t.start()
        self.threads.append(t)

    def kill_couriers(self):
        """Some are spared for so long that the next one starts at once."""
        gw, report = self.world.gateway, self.world.report
        rng = random.Random(f"{self.world.seed}/couriers")
        while not self.over.wait(rng.choice((0.5, 1, 2, 4, 11)) * rng.random()):
            n = sum(gw.kill(pid) for pid in gw.children("cour"))
            report.count("processes killed", n)
            report.count("couriers killed beside the plan", n)

    def outages(self, sink):
        """A receiver is away for seconds."""
        rng = random.Random(f"{self.world.seed}/{sink.NAME}")
        while not self.over.wait(rng.uniform(5, 25)):
            self.world.report.say(f"{sink.NAME} is away")
            self.world.report.count(f"{sink.NAME} was away")
            sink.go_away(rng, self.over)

    def courier_point(self, args):
        """The courier dies at one of the points that only it meets."""
        known = [n for n in self.points.known() if n.startswith("outbox.")]
        if known:
            name = args.choice(sorted(known))
            self.points.kill_at(name, args.randint(1, 20), False)

    def calm(self):
        self.over.set()
        for t in self.threads:
            t.join(60)
        for sink in self.sinks:
            sink.calm()

    def close(self):
        self.calm()
        for sink in self.sinks:
            sink.close()

    # --- what must have come

    def verify(self):
        journal = self.world.gateway.journal
        self.drain(journal)
        with open(self.world.gateway.log, errors="replace") as f:
            starts = sum("part=courier event=outbox" in line for line in f)
        self.world.report.count("couriers started", starts)
        for row in journal("SELECT * FROM deliveries WHERE state = 2"):
            self.world.report.violation(f"dead: {row}")
        wanted = {
            event: (seq, expected(event, kind, json.loads(body)))
            for seq, event, kind, body in journal(KEYS)
        }
        self.world.report.count("events of all types", len(wanted))
        for sink in self.sinks:
            Verdict(self.world.report, sink, wanted).say()

    def drain(self, journal):
        end = time.monotonic() + DRAINED
        began = time.monotonic()
        while True:
            rows = {r[0]: r[1:] for r in journal(LEFT)}
            wait = [
                (s.NAME, rows.get(s.NAME))
                for s in self.sinks
                if not settled(rows.get(s.NAME))
            ]
            if not wait or time.monotonic() > end:
                break
            time.sleep(0.3)
        took = time.monotonic() - began
        self.world.report.most("s until all events were delivered", took)
        if wait:
            self.world.report.violation(f"not delivered: {wait}")


def settled(row):
    """The cursor is at the newest event and no row waits."""
    if not row:
        return False
    cursor, state, newest, waiting = row
    return state == 0 and waiting == 0 and cursor >= (newest or 0)


def expected(event, kind, body):
    """The event that the journal's row is, by doc/events.md."""
    body = dict(body)
    body.pop("id", None)
    body.pop("type", None)
    return {
        "specversion": "1.0",
        "id": event,
        "source": SOURCE,
        "type": "io.sluice." + TYPES.get(kind, kind),
        "subject": body["key"],
        "time": body.pop("time"),
        "datacontenttype": "application/json",
        "partitionkey": f"{body['store']}/{body['key']}",
        "data": body,
    }


class Verdict:
    """What came to one sink beside what had to."""

    def __init__(self, report, sink, wanted):
        self.report, self.name, self.wanted = report, sink.NAME, wanted
        self.attempts, self.events = sink.arrivals()
        self.came = set()
        self.keys = {}  # key -> its events, in the journal's order
        for event, (seq, e) in sorted(wanted.items(), key=lambda kv: kv[1][0]):
            self.keys.setdefault(e["partitionkey"], []).append(event)
        self.next = {key: 0 for key in self.keys}  # the first that lacks

    def say(self):
        self.contents()
        self.order()
        lost = [e for event, (_, e) in self.wanted.items()
                if event not in self.came]  # fmt: skip
        for e in lost[:20]:
            self.report.violation(f"{self.name} never got {e}")
        received = sum(a.accepted for a in self.attempts)
        self.report.count(f"{self.name}: events", len(self.came))
        self.report.count(f"{self.name}: came again", received - len(self.came))
        self.report.count(f"{self.name}: never came", len(lost))

    def contents(self):
        for event, found in self.events.items():
            if event not in self.wanted:
                self.report.violation(
                    f"{self.name} got what the journal has not: {found}"
                )
            elif found != self.wanted[event][1]:
                self.report.violation(
                    f"{self.name} got {found}, the journal has"
                    f" {self.wanted[event][1]}"
                )

    def order(self):
        """No event is even tried before all older ones of its key came."""
        for a in self.attempts:
            if a.id not in self.wanted:
                continue
            key = self.wanted[a.id][1]["partitionkey"]
            events, at = self.keys[key], self.next[key]
            if a.id not in self.came and events[at] != a.id:
                self.report.violation(
                    f"{self.name}: {a.id} of {key} before {events[at]}"
                )
            if a.accepted:
                self.came.add(a.id)
                while at < len(events) and events[at] in self.came:
                    at += 1
                self.next[key] = at
