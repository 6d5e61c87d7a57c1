# SPDX-License-Identifier: Apache-2.0
"""Lines of "kcat -J" as the lines of receiver.py: CloudEvents in either mode."""
import json
import sys

for line in sys.stdin:
    record = json.loads(line)
    pairs = record.get("headers") or []
    headers = dict(zip(pairs[::2], pairs[1::2]))
    payload = json.loads(record["payload"])
    if headers["content-type"].startswith("application/cloudevents+json"):
        event = payload
    else:
        event = {k[3:]: v for k, v in headers.items() if k.startswith("ce_")}
        event["data"] = payload
    print(json.dumps({"event": event, "headers": headers,
                      "raw": record["payload"], "key": record["key"],
                      "partition": record["partition"],
                      "offset": record["offset"]}))
