# SPDX-License-Identifier: Apache-2.0
"""Looks into the S3 store directly, not through the gateway. Keys are below
the test's own prefix.

s3.py sha256 KEY | exists KEY | size KEY | uploads | list | put KEY FILE
s3.py delete KEY | abort_all | segments
s3.py segment_names | drop_segment NAME
"""
import hashlib
import os
import sys

import boto3
import botocore.config
import botocore.exceptions

BUCKET = os.environ["S3_BUCKET"]
PREFIX = os.environ["S3_PREFIX"]
NATIVE = os.environ.get("STORE") == "swift-native"


def client():
    return boto3.client(
        "s3",
        endpoint_url=os.environ["S3_ENDPOINT"],
        region_name=os.environ["S3_REGION"],
        aws_access_key_id=os.environ["S3_ACCESS"],
        aws_secret_access_key=os.environ["S3_SECRET"],
        config=botocore.config.Config(
            s3={"addressing_style": "path"}, retries={"max_attempts": 2}
        ),
    )


def size(s3, key):
    """The object's size; None when there is none."""
    try:
        return s3.head_object(Bucket=BUCKET, Key=PREFIX + key)["ContentLength"]
    except botocore.exceptions.ClientError as e:
        if e.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return None
        raise


def sha256(s3, key):
    digest = hashlib.sha256()
    body = s3.get_object(Bucket=BUCKET, Key=PREFIX + key)["Body"]
    for chunk in iter(lambda: body.read(1 << 20), b""):
        digest.update(chunk)
    return digest.hexdigest()


def uploads(s3):
    """Keys and ids of multipart uploads; Swift's own are objects."""
    if NATIVE:
        page = s3.list_objects_v2(
            Bucket=BUCKET + "_segments", Prefix=PREFIX + "uploads/"
        )
        return [o["Key"].rsplit("/", 1) for o in page.get("Contents", [])]
    page = s3.list_multipart_uploads(Bucket=BUCKET, Prefix=PREFIX)
    return [(u["Key"], u["UploadId"]) for u in page.get("Uploads", [])]


def segments(s3):
    """What Swift's own interface keeps: "used SET" for the parts that an
    object's manifest names, "free SET" for others, "note NAME" for the rest."""
    used = set()
    page = s3.list_objects_v2(Bucket=BUCKET, Prefix=PREFIX)
    for o in page.get("Contents", []):
        head = s3.head_object(Bucket=BUCKET, Key=o["Key"])
        used.add(head["Metadata"].get("sluice-segments"))
    page = s3.list_objects_v2(Bucket=BUCKET + "_segments", Prefix=PREFIX)
    lines = set()
    for o in page.get("Contents", []):
        kind, rest = o["Key"][len(PREFIX) :].split("/", 1)
        if kind == "segments":
            name = "/".join(rest.split("/")[:2])
            lines.add(("used " if name in used else "free ") + name)
        elif kind != "owners":
            lines.add("note " + o["Key"])
    return sorted(lines)


def main():
    s3 = client()
    what, args = sys.argv[1], sys.argv[2:]
    if what == "sha256":
        print(sha256(s3, args[0]))
    elif what == "exists":
        sys.exit(size(s3, args[0]) is None)
    elif what == "size":
        print(size(s3, args[0]))
    elif what == "uploads":
        for key, upload_id in uploads(s3):
            print(key, upload_id)
    elif what == "list":
        page = s3.list_objects_v2(Bucket=BUCKET, Prefix=PREFIX)
        for o in page.get("Contents", []):
            print(o["Key"], o["Size"])
    elif what == "delete":
        s3.delete_object(Bucket=BUCKET, Key=PREFIX + args[0])
    elif what == "abort_all":
        for key, upload_id in uploads(s3):
            if NATIVE:
                s3.delete_object(
                    Bucket=BUCKET + "_segments", Key=f"{key}/{upload_id}"
                )
            else:
                s3.abort_multipart_upload(
                    Bucket=BUCKET, Key=key, UploadId=upload_id
                )
    elif what == "segments":
        for line in segments(s3):
            print(line)
    elif what == "segment_names":
        page = s3.list_objects_v2(
            Bucket=BUCKET + "_segments", Prefix=PREFIX + "segments/"
        )
        for o in page.get("Contents", []):
            print(o["Key"])
    elif what == "drop_segment":
        s3.delete_object(Bucket=BUCKET + "_segments", Key=args[0])
    elif what == "put":
        with open(args[1], "rb") as f:
            s3.put_object(Bucket=BUCKET, Key=PREFIX + args[0], Body=f)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
