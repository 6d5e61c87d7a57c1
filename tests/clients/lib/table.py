# SPDX-License-Identifier: Apache-2.0
"""table.py CELLS: doc/clients.md from what tests/clients/run noted.

A line of CELLS: client, protocol, store, version, operation, pass|no|fail|skip
and a text, with tabs between them. Of two for the same cell the later counts.
"""
import sys

STORES = ["local", "seaweed", "swift"]
SHOWN = {"local": "local", "seaweed": "S3", "swift": "Swift"}
OPERATIONS = [
    "upload", "resume", "download", "list", "rename", "times", "folders",
    "overwrite", "parallel",
]
PROTOCOLS = {"sftp": "SFTP", "ftp": "FTP", "ftps": "FTPS", "implicit": "FTPS, implicit"}

HEAD = """\
<!-- SPDX-License-Identifier: Apache-2.0 -->
<!-- Written by tests/clients/run --table: do not edit. -->
# Clients

What each client can do, with its defaults, over each store: a local folder,
S3 (SeaweedFS) and Swift's s3api. Written by the test run itself
(`scripts/test --long`, or `tests/clients/run`).

| column | what was done, and what was looked at |
|---|---|
| upload | a file of three parts, a small one with a name of spaces and umlauts, an empty one. The object's SHA-256 is read from the store, not through the client; one event; no multipart upload is left; nobody saw the final name with a part of the file |
| resume | the client is killed with half of 40 MB sent and started again to go on: the bytes received from then on are those behind the restart offset, not one more; SHA-256 as above |
| download | the whole file and, where the client can, the rest of one that was broken off |
| list | names with spaces and umlauts, their sizes, the folder shown as one |
| rename | into a name with a space |
| times | the modification time set by the client is the one that another client is told; and comes back where the client keeps times on the way down |
| folders | mkdir; rmdir refuses a full folder and removes an empty one |
| overwrite | a shorter file onto a longer one; whoever looks sees the old one or the new one |
| parallel | 64 uploads at once, by one client where it can, else by 64 |

`yes`: all of this was seen, over every store. Otherwise the cell says over which
stores it was; one that it does not name was not tried in this writing of the
table. `–`: the client has no such thing. Numbers refer to the notes below.
"""


def load(path):
    cells, versions, skipped = {}, {}, {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            client, protocol, store, version, op, result, text = (
                line.rstrip("\n").split("\t")
            )
            if result == "skip":
                skipped.setdefault(client, {})[store] = text
                continue
            cells[client, protocol, op, store] = (result, text)
            versions[client, protocol] = version
    return cells, versions, skipped


class Notes:
    """Each text once, in the order of the table."""

    def __init__(self):
        self.texts = []

    def mark(self, text):
        if text not in self.texts:
            self.texts.append(text)
        return f"[{self.texts.index(text) + 1}]"


def shown(found, stores, notes):
    """One cell of the table, of the results by store."""
    if not found:
        return ""
    results = {r for r, _ in found.values()}
    texts = {t for _, t in found.values() if t}
    if results == {"no"}:
        return "– " + notes.mark(texts.pop())
    if results == {"pass"} and set(found) >= set(stores):
        return " ".join(["yes"] + [notes.mark(t) for t in sorted(texts)])
    parts = []
    for store in STORES:
        if store in found:
            result, text = found[store]
            word = {"pass": "yes", "no": "–"}.get(result, "FAILED")
            mark = " " + notes.mark(text) if text else ""
            parts.append(f"{SHOWN[store]}: {word}{mark}")
    return ", ".join(parts)


def main():
    cells, versions, skipped = load(sys.argv[1])
    stores = [s for s in STORES if any(k[3] == s for k in cells)]
    notes = Notes()
    print(HEAD)
    print("| client | version | protocol | " + " | ".join(OPERATIONS) + " |")
    print("|---" * (3 + len(OPERATIONS)) + "|")
    for client, protocol in sorted(
        versions, key=lambda k: (k[0], list(PROTOCOLS).index(k[1]))
    ):
        row = []
        for op in OPERATIONS:
            found = {
                s: cells[client, protocol, op, s]
                for s in STORES
                if (client, protocol, op, s) in cells
            }
            row.append(shown(found, stores, notes))
        print(
            f"| {client} | {versions[client, protocol]} "
            f"| {PROTOCOLS[protocol]} | " + " | ".join(row) + " |"
        )
    print("\nStores of this run: "
          + ", ".join(SHOWN[s] for s in stores) + ".\n")
    if notes.texts:
        print("## Notes\n")
        for n, text in enumerate(notes.texts, 1):
            print(f"{n}. {text}")
    left_out = {
        c: t for c, t in skipped.items() if not any(k[0] == c for k in versions)
    }
    if left_out:
        print("\n## Left out\n")
        for client, by_store in sorted(left_out.items()):
            print(f"- {client}: {next(iter(by_store.values()))}")


main()
