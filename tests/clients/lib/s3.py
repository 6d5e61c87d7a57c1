# SPDX-License-Identifier: Apache-2.0
"""As tests/e2e/lib/s3.py, for looking only: without a library that takes longer
to load than most of these looks take.

s3.py sha256 KEY | exists KEY | size KEY | uploads | list
"""
import hashlib
import hmac
import http.client
import os
import sys
import time
import urllib.parse
import xml.etree.ElementTree

BUCKET = os.environ["S3_BUCKET"]
PREFIX = os.environ["S3_PREFIX"]
EMPTY = hashlib.sha256(b"").hexdigest()


def client():
    return http.client.HTTPConnection(
        urllib.parse.urlsplit(os.environ["S3_ENDPOINT"]).netloc, timeout=60
    )


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def headers(host, method, path, query):
    """What AWS Signature Version 4 asks for."""
    region = os.environ["S3_REGION"]
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    scope = f"{now[:8]}/{region}/s3/aws4_request"
    names = "host;x-amz-content-sha256;x-amz-date"
    request = (
        f"{method}\n{path}\n{query}\nhost:{host}\n"
        f"x-amz-content-sha256:{EMPTY}\nx-amz-date:{now}\n\n{names}\n{EMPTY}"
    )
    key = mac(("AWS4" + os.environ["S3_SECRET"]).encode(), now[:8])
    for part in (region, "s3", "aws4_request"):
        key = mac(key, part)
    digest = hashlib.sha256(request.encode()).hexdigest()
    signature = mac(key, f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest}").hex()
    return {
        "x-amz-content-sha256": EMPTY,
        "x-amz-date": now,
        "Authorization": f"AWS4-HMAC-SHA256 Credential={os.environ['S3_ACCESS']}"
        f"/{scope}, SignedHeaders={names}, Signature={signature}",
    }


def ask(conn, method, key, **query):
    """The response, to be read; None for 404."""
    path = "/" + urllib.parse.quote(f"{BUCKET}/{key}", safe="/~-._")
    text = "&".join(
        f"{k}={urllib.parse.quote(v, safe='~-._')}"
        for k, v in sorted(query.items())
    )
    host = f"{conn.host}:{conn.port}"
    conn.request(method, path + ("?" + text if text else ""),
                 headers=headers(host, method, path, text))
    reply = conn.getresponse()
    if reply.status == 404:
        reply.read()
        return None
    if reply.status != 200:
        raise SystemExit(f"{method} {path}?{text}: {reply.status} {reply.read()}")
    return reply


def size(conn, key):
    reply = ask(conn, "HEAD", PREFIX + key)
    if reply is None:
        return None
    reply.read()
    return int(reply.headers["Content-Length"])


def sha256(conn, key):
    digest = hashlib.sha256()
    reply = ask(conn, "GET", PREFIX + key)
    if reply is None:
        raise SystemExit(f"no object {key}")
    while data := reply.read(1 << 20):
        digest.update(data)
    return digest.hexdigest()


def items(conn, tag, **query):
    tree = xml.etree.ElementTree.fromstring(
        ask(conn, "GET", "", prefix=PREFIX, **query).read())
    for element in tree.iter():
        if element.tag.endswith("}" + tag) or element.tag == tag:
            yield {e.tag.rpartition("}")[2]: e.text for e in element}


def main():
    conn = client()
    what, args = sys.argv[1], sys.argv[2:]
    if what == "sha256":
        print(sha256(conn, args[0]))
    elif what == "exists":
        sys.exit(size(conn, args[0]) is None)
    elif what == "size":
        print(size(conn, args[0]))
    elif what == "uploads":
        for u in items(conn, "Upload", uploads=""):
            print(u["Key"], u["UploadId"])
    elif what == "list":
        for o in items(conn, "Contents", **{"list-type": "2"}):
            print(o["Key"], o["Size"])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
