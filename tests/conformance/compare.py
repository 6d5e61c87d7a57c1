# SPDX-License-Identifier: Apache-2.0
"""compare.py RESULTS.xml TABLE

Fails unless the tests that failed are those of TABLE, one a line: Class.test,
spaces, and why the gateway cannot pass it. "Class.*" is a whole class."""
import fnmatch
import sys
import xml.etree.ElementTree

failed, passed, skipped = set(), set(), set()
for case in xml.etree.ElementTree.parse(sys.argv[1]).iter("testcase"):
    name = case.get("classname").rpartition(".")[2] + "." + case.get("name")
    if case.find("failure") is not None or case.find("error") is not None:
        failed.add(name)
    elif case.find("skipped") is not None:
        skipped.add(name)
    else:
        passed.add(name)
expected = []
with open(sys.argv[2], encoding="utf-8") as f:
    for line in f:
        if line.strip() and not line.startswith("#"):
            expected.append(line.split(None, 1))
wrong = 0
for name in sorted(failed):
    if not any(fnmatch.fnmatchcase(name, e[0]) for e in expected):
        print("FAILED, and not expected to:", name)
        wrong += 1
for entry in expected:
    if len(entry) < 2:
        print("without a reason:", entry[0])
        wrong += 1
    if not any(fnmatch.fnmatchcase(name, entry[0]) for name in failed):
        print("expected to fail, and did not:", entry[0])
        wrong += 1
print(f"{len(passed)} passed, {len(failed)} failed, {len(skipped)} skipped")
sys.exit(wrong > 0 or not passed)
