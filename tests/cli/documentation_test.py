"""docs/configuration.md is what the program would print: documentation_test.py WINNOW PLUGINS PAGE."""
import difflib
import os
import pathlib
import subprocess
import sys

program, plugins, page = sys.argv[1:]
environment = {"PATH": os.environ["PATH"], "WN_PLUGIN_PATH": plugins}
printed = subprocess.run([program, "docs", "configuration"], env=environment, check=True, capture_output=True, text=True).stdout
kept = pathlib.Path(page).read_text()
sys.stdout.writelines(difflib.unified_diff(kept.splitlines(True), printed.splitlines(True), page, "winnow docs configuration"))
if kept != printed:
    sys.exit(f"{page} is out of date: write it anew with `winnow docs configuration > {page}`")
