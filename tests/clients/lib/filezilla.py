# SPDX-License-Identifier: Apache-2.0
"""filezilla.py HOME [KEY=VALUE...]: what FileZilla finds when it starts.

Writes filezilla.xml with these settings, and a queue with the transfers that
standard input names, a line each: "up FILE PATH" or "down PATH FILE", with tabs.
The tables are those that FileZilla 3.63 makes itself.
"""
import os
import sqlite3
import sys
from xml.sax.saxutils import escape

TABLES = """
CREATE TABLE servers (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  host TEXT NOT NULL, port INTEGER, user TEXT, password TEXT, account TEXT,
  keyfile TEXT, protocol INTEGER, type INTEGER, logontype INTEGER,
  timezone_offset INTEGER, transfer_mode TEXT, max_connections INTEGER,
  encoding TEXT, bypass_proxy INTEGER, post_login_commands TEXT, name TEXT,
  parameters TEXT, site_path TEXT DEFAULT NULL);
CREATE TABLE files (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  server INTEGER NOT NULL, source_file TEXT, target_file TEXT,
  local_path INTEGER, remote_path INTEGER, size INTEGER, error_count INTEGER,
  priority INTEGER, flags INTEGER, default_exists_action INTEGER,
  extra_flags TEXT);
CREATE INDEX server_index ON files (server);
CREATE TABLE local_paths (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  path TEXT NOT NULL);
CREATE TABLE remote_paths (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  path TEXT NOT NULL);
"""
PROTOCOL = {"sftp": 1, "implicit": 3, "ftps": 4, "ftp": 6}
PORT = {"sftp": "SFTP_PORT", "implicit": "FTPS_PORT"}
DOWNLOAD = 16
NORMAL = 2  # priority


def settings(folder, values):
    with open(f"{folder}/filezilla.xml", "w", encoding="utf-8") as f:
        f.write('<?xml version="1.0" encoding="UTF-8"?>\n')
        f.write('<FileZilla3 version="3.63.0" platform="*nix"><Settings>\n')
        for key, value in values.items():
            f.write(f'<Setting name="{key}">{escape(value)}</Setting>\n')
        f.write("</Settings></FileZilla3>\n")


def remote_folder(path):
    """A folder as FileZilla writes it: each part with its length."""
    parts = [p for p in path.split("/") if p]
    return " ".join(["1 0"] + [f"{len(p)} {p}" for p in parts])


def queue(db, lines):
    env = os.environ
    proto = env["PROTO"]
    db.executescript(TABLES)
    db.execute(
        "INSERT INTO servers(id, host, port, user, password, protocol, type,"
        " logontype, timezone_offset, transfer_mode, max_connections,"
        " encoding, bypass_proxy)"
        " VALUES(1, '127.0.0.1', ?, ?, ?, ?, 0, 1, 0, 'default', 0, 'Auto', 0)",
        (int(env[PORT.get(proto, "FTP_PORT")]), env["GW_USER"],
         env["PASSWORD"], PROTOCOL[proto]),
    )
    for n, line in enumerate(lines, 1):
        what, source, target = line.rstrip("\n").split("\t")
        local, remote = (source, target) if what == "up" else (target, source)
        size = os.path.getsize(local) if what == "up" else None
        db.execute("INSERT INTO local_paths VALUES(?, ?)",
                   (n, os.path.dirname(local) + "/"))
        db.execute("INSERT INTO remote_paths VALUES(?, ?)",
                   (n, remote_folder(os.path.dirname(remote))))
        db.execute(
            "INSERT INTO files(server, source_file, target_file, local_path,"
            " remote_path, size, priority, flags) VALUES(1, ?, ?, ?, ?, ?, ?, ?)",
            (os.path.basename(source), os.path.basename(target), n, n, size,
             NORMAL, DOWNLOAD if what == "down" else 0),
        )
    db.commit()


folder = sys.argv[1] + "/.config/filezilla"
os.makedirs(folder)
settings(folder, {
    "Update Check": "0",
    "Greeting version": "3.63.0",
    "Logging file": sys.argv[1] + "/log",
} | dict(a.split("=", 1) for a in sys.argv[2:]))
queue(sqlite3.connect(f"{folder}/queue.sqlite3"), sys.stdin)
