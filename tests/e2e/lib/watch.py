# SPDX-License-Identifier: Apache-2.0
"""watch.py STORE NAME LOG: notes each size that the object shows, until it
is killed; "none" while there is no object."""
import os
import sys
import time

store, name, log = sys.argv[1:]
if store == "local":

    def look():
        try:
            return os.stat(name).st_size
        except FileNotFoundError:
            return None

else:
    import s3

    client = s3.client()

    def look():
        return s3.size(client, name)


last = object()
with open(log, "w", buffering=1) as f:
    while True:
        size = look()
        if size != last:
            print("none" if size is None else size, file=f)
            last = size
        time.sleep(0.005)
