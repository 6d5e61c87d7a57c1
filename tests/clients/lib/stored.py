# SPDX-License-Identifier: Apache-2.0
"""stored.py FOLDER KEY: the objects below KEY are the very files of FOLDER."""
import hashlib
import os
import sys

folder, key = sys.argv[1:]
if os.environ["STORE"] == "local":

    def sha256(name):
        with open(f"{os.environ['T']}/objects/{key}/{name}", "rb") as f:
            return hashlib.sha256(f.read()).hexdigest()

else:
    import s3

    client = s3.client()

    def sha256(name):
        return s3.sha256(client, f"{key}/{name}")


wrong = []
for name in os.listdir(folder):
    with open(f"{folder}/{name}", "rb") as f:
        wanted = hashlib.sha256(f.read()).hexdigest()
    try:
        if sha256(name) != wanted:
            wrong.append(f"{name} differs")
    except Exception as e:
        wrong.append(f"{name}: {e}")
if wrong:
    sys.exit(f"FAIL: {len(wrong)} of {len(os.listdir(folder))} files: "
             + "; ".join(wrong[:3]))
