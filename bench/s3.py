# SPDX-License-Identifier: Apache-2.0
"""A small S3 client: fills a bucket, and pages through it as fast as one
connection can, which is what a gateway's listing is compared with."""

import concurrent.futures
import datetime
import hashlib
import hmac
import http.client
import re
import sys
import time
import urllib.parse

EMPTY = hashlib.sha256(b"").hexdigest()
REGION = "us-east-1"


def sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256)


class S3:
    def __init__(self, endpoint, bucket, access, secret):
        self.endpoint, self.bucket = endpoint, bucket
        self.access, self.secret = access, secret
        self.host = urllib.parse.urlsplit(endpoint).netloc

    def headers(self, method, path, query):
        """Signature Version 4 of a request without a body."""
        now = datetime.datetime.utcnow().strftime("%Y%m%dT%H%M%SZ")
        scope = f"{now[:8]}/{REGION}/s3/aws4_request"
        names = "host;x-amz-content-sha256;x-amz-date"
        request = (f"{method}\n{path}\n{query}\nhost:{self.host}\n"
                   f"x-amz-content-sha256:{EMPTY}\nx-amz-date:{now}\n\n"
                   f"{names}\n{EMPTY}")
        text = (f"AWS4-HMAC-SHA256\n{now}\n{scope}\n"
                + hashlib.sha256(request.encode()).hexdigest())
        key = f"AWS4{self.secret}".encode()
        for part in scope.split("/"):
            key = sign(key, part).digest()
        return {"x-amz-date": now, "x-amz-content-sha256": EMPTY,
                "Authorization": "AWS4-HMAC-SHA256 "
                f"Credential={self.access}/{scope}, SignedHeaders={names}, "
                f"Signature={sign(key, text).hexdigest()}"}

    def request(self, conn, method, key="", query=""):
        path = f"/{self.bucket}/{key}" if key else f"/{self.bucket}/"
        conn.request(method, path + (f"?{query}" if query else ""),
                     headers=self.headers(method, path, query))
        reply = conn.getresponse()
        body = reply.read()
        if reply.status != 200:
            sys.exit(f"bench: {method} {path}: {reply.status} {body[:300]}")
        return body

    def fill(self, prefix, count, threads=4):
        def work(first):
            conn = http.client.HTTPConnection(self.host)
            for i in range(first, count, threads):
                self.request(conn, "PUT", f"{prefix}{i:08}.dat")
            conn.close()

        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(threads)))

    def walk(self, prefix, count):
        """The seconds that it takes to page through so many keys."""
        conn = http.client.HTTPConnection(self.host)
        begin, found, token = time.time(), 0, None
        while True:
            pairs = {"delimiter": "/", "list-type": "2", "max-keys": "1000",
                     "prefix": prefix}
            if token:
                pairs["continuation-token"] = token
            query = urllib.parse.urlencode(sorted(pairs.items()),
                                           quote_via=urllib.parse.quote,
                                           safe="")
            body = self.request(conn, "GET", query=query)
            found += body.count(b"<Contents>")
            more = re.search(b"<NextContinuationToken>(.*?)<", body)
            if not more:
                break
            token = more.group(1).decode()
        conn.close()
        if found != count:
            sys.exit(f"bench: the store lists {found} keys of {count}")
        return time.time() - begin
