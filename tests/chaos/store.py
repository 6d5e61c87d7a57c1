# SPDX-License-Identifier: Apache-2.0
"""The store as it is behind the gateway's back."""
import hashlib
import os
import sys


def begun(records):
    """Whether the header is there; without it, begin was not answered."""
    try:
        with open(records, "rb") as f:
            return f.read(2) == b"\nU"
    except FileNotFoundError:
        return False


class Local:
    def __init__(self, env):
        self.root = env["T"] + "/objects"
        self.home = self.root + "/" + env.get("GW_HOME", "inbox")

    def size(self, path):
        try:
            return os.stat(self.home + path).st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read(self, path):
        """Size and SHA-256 of one object, in one look; None without one."""
        try:
            with open(self.home + path, "rb") as f:
                digest = hashlib.sha256()
                n = 0
                while data := f.read(1 << 20):
                    n += len(data)
                    digest.update(data)
                return n, digest.hexdigest()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def names(self):
        for folder, _, files in os.walk(self.home):
            for name in files:
                yield folder[len(self.home) :] + "/" + name

    def multipart_uploads(self):
        """Data with records: what a crash leaves of one of them alone is
        nobody's upload, and swept away at a start."""
        folder = self.root + "/.sluice/uploads/"
        out = []
        for name in os.listdir(folder):
            records = folder + name.replace(".data", ".parts")
            if name.endswith(".data") and begun(records):
                out.append(folder + name)
        return out


class S3:
    """By the module that the end-to-end tests use; Swift is looked at through
    its S3 interface, whichever the gateway uses."""

    def __init__(self, env):
        os.environ["STORE"] = env["STORE"]
        for key in ("ENDPOINT", "REGION", "BUCKET", "ACCESS", "SECRET", "PREFIX"):
            os.environ["S3_" + key] = env["DIRECT_S3_" + key]
        sys.path.insert(0, env["E2E"] + "/lib")
        import s3  # pylint: disable=import-outside-toplevel

        self.s3 = s3
        self.env = env
        self.client = s3.client()
        self.home = env.get("GW_HOME", "inbox")

    def size(self, path):
        return self.s3.size(self.client, self.home + path)

    def read(self, path):
        digest, n = hashlib.sha256(), 0
        try:
            body = self.client.get_object(
                Bucket=self.s3.BUCKET, Key=self.s3.PREFIX + self.home + path
            )["Body"]
        except self.client.exceptions.NoSuchKey:
            return None
        for chunk in iter(lambda: body.read(1 << 20), b""):
            n += len(chunk)
            digest.update(chunk)
        return n, digest.hexdigest()

    def names(self):
        base = self.s3.PREFIX + self.home
        pages = self.client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self.s3.BUCKET, Prefix=base):
            for o in page.get("Contents", []):
                if not o["Key"].endswith("/"):
                    yield o["Key"][len(base) :]

    def multipart_uploads(self):
        return ["/".join(names) for names in self.s3.uploads(self.client)]

    def parts_of_nobody(self):
        """Of Swift: segments that no manifest names, and notes about sets
        that are not dealt with yet."""
        if os.environ["STORE"] != "swift-native":
            return []
        import segments  # pylint: disable=import-outside-toplevel

        return segments.Account(self.env, "DIRECT_").left()


def view(kind, env):
    return Local(env) if kind == "local" else S3(env)
