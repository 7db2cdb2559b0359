"""docs/abi-policy.md promises nothing that no test keeps: policy_test.py BUILD PAGE.

Each rule's id follows the one before it, and each test that its last column names in code is known to CTest.
"""
import json
import pathlib
import re
import subprocess
import sys

build, page = map(pathlib.Path, sys.argv[1:])
listed = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], check=True, capture_output=True, text=True)
known = {test["name"] for test in json.loads(listed.stdout)["tests"]}

wrong = []
rows = re.findall(r"^\| (WN-P-\d+) \|(.*)\|$", page.read_text(encoding="utf-8"), re.M)
for place, (rule, cells) in enumerate(rows, 1):
    if rule != f"WN-P-{place:02}":
        wrong.append(f"{rule} stands where WN-P-{place:02} was expected")
    columns = [column.strip() for column in cells.split(" | ")]
    if len(columns) != 4 or not all(columns):
        wrong.append(f"{rule}: expected requirement, result, who and tests, found {len(columns)} columns")
    tests = re.findall(r"`([^`]+)`", columns[-1])
    wrong += [f"{rule}: no test is called '{test}'" for test in tests if test not in known]
    if not tests:
        wrong.append(f"{rule} names no test")
text = page.read_text(encoding="utf-8")
wrong += [f"R{rule} of winnow.h is in no rule" for rule in range(1, 8) if f"(R{rule})" not in text]
print("\n".join(wrong) or f"{len(rows)} rules, every test of them is there")
sys.exit(bool(wrong) or not rows)
