# SPDX-License-Identifier: Apache-2.0
"""ini.py FILE SECTION KEY VALUE: sets a key; adds the section if needed."""
import re
import sys

path, section, key, value = sys.argv[1:]
with open(path) as f:
    lines = f.read().splitlines()
head = f"[{section}]"
if head not in lines:
    lines.append(head)
start = lines.index(head) + 1
end = start
while end < len(lines) and not lines[end].startswith("["):
    end += 1
body = [l for l in lines[start:end] if not re.match(rf"{key}\s*=", l)]
lines[start:end] = body + [f"{key} = {value}"]
with open(path, "w") as f:
    f.write("\n".join(lines) + "\n")
