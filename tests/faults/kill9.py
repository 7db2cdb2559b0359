#!/usr/bin/env python3
"""Kills a run with SIGKILL at random instants until it finishes, again and again, and compares what
it leaves with what an undisturbed run leaves.

    kill9.py WINNOW CONFIG [options] [-- further arguments of "winnow run", such as overrides]

Each life is "WINNOW run CONFIG --out DIR ARGUMENTS...". A run is made of lives that are killed, at
least one of them, and a last one that comes to its end by itself. Compared are summary.json (but
for fields that --ignore names), all files under samples/ byte by byte, gallery.png if there is one,
and the ledger's numbers by name. Standard library only.

Prints "N kills, M runs, all identical" and exits 0; or every difference, and exits 1. Exit 2: the
run could not be tested (it fails undisturbed, or makes no progress).
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

IGNORED = ["seconds", "recomputed_nfe", "wall_seconds", "started", "ended", "host", "pid", "parts"]


class Untestable(Exception):
    pass


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("winnow", help="the program")
    parser.add_argument("config", help="the run's TOML file")
    parser.add_argument("--kills", type=int, default=200, help="in all, at least (default 200)")
    parser.add_argument("--seed", type=int, default=1, help="of the instants (default 1)")
    parser.add_argument("--longest", type=float, metavar="SECONDS",
                        help="of a life that is killed (default: 0.6 of the undisturbed run)")
    parser.add_argument("--kills-per-run", type=int, default=20, metavar="N",
                        help="after these a run may end in peace (default 20)")
    parser.add_argument("--timeout", type=float, default=600, metavar="SECONDS",
                        help="of a life that is not killed (default 600)")
    parser.add_argument("--ignore", action="append", default=[], metavar="NAME",
                        help="a further field of summary.json that may differ, at any depth; "
                             "always: " + ", ".join(IGNORED))
    parser.add_argument("--work", type=pathlib.Path, metavar="DIR",
                        help="where the runs go (default: a temporary folder)")
    parser.add_argument("--keep", action="store_true", help="keep all run directories")
    own, rest = sys.argv[1:], []
    if "--" in own:
        own, rest = own[:own.index("--")], own[own.index("--") + 1:]
    options = parser.parse_args(own)
    options.rest = rest
    options.ignore = set(IGNORED + options.ignore)
    return options


class Life:
    """One process; its output goes to a log beside the run directory."""

    def __init__(self, options, out):
        self.log = out.with_suffix(".log")
        command = [options.winnow, "run", options.config, "--out", str(out), *options.rest]
        with open(self.log, "ab") as log:
            # A session of its own, so that what it leaves behind can be found.
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, start_new_session=True)

    def killed_after(self, seconds):
        """False when it ended by itself before; then exit code 0 is expected."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self.end_orphans(grace=2)
            return True
        self.expect_success()
        return False

    def ended_within(self, seconds):
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self.end_orphans(grace=0)
            raise Untestable(f"no end after {seconds:g} s; its output is in {self.log}") from None
        self.expect_success()

    def expect_success(self):
        if self.process.returncode != 0:
            tail = self.log.read_text(errors="replace").splitlines()[-10:]
            raise Untestable(f"exit code {self.process.returncode}, expected 0:\n  "
                             + "\n  ".join(tail))

    def end_orphans(self, grace):
        """Children of a killed program must go by themselves."""
        deadline = time.monotonic() + grace
        while True:
            try:
                os.killpg(self.process.pid, 0)
            except ProcessLookupError:
                return
            if time.monotonic() >= deadline:
                break
            time.sleep(0.01)
        os.killpg(self.process.pid, signal.SIGKILL)
        if grace:
            raise Untestable("a killed run left processes behind for more than 2 s")


def without(value, ignored):
    if isinstance(value, dict):
        return {key: without(item, ignored) for key, item in value.items() if key not in ignored}
    if isinstance(value, list):
        return [without(item, ignored) for item in value]
    return value


def json_differences(before, after, where=""):
    """One line for each leaf that differs."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from json_differences(before.get(key), after.get(key), f"{where}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for i, (left, right) in enumerate(zip(before, after)):
            yield from json_differences(left, right, f"{where}[{i}]")
    elif before != after:
        yield f"summary.json{where}: {json.dumps(before)[:200]} -> {json.dumps(after)[:200]}"


def read_summary(folder):
    path = folder / "summary.json"
    if not path.exists():
        raise Untestable(f"no {path} after an end with exit code 0")
    return json.loads(path.read_text())


def file_differences(expected, found):
    def files(folder):
        names = {p.relative_to(folder) for p in (folder / "samples").rglob("*") if p.is_file()}
        if (folder / "gallery.png").exists():
            names.add(pathlib.Path("gallery.png"))
        return names

    before, after = files(expected), files(found)
    for name in sorted(before - after):
        yield f"{name}: missing"
    for name in sorted(after - before):
        yield f"{name}: only in the disturbed run"
    for name in sorted(before & after):
        if (expected / name).read_bytes() != (found / name).read_bytes():
            yield f"{name}: other bytes"


def differences(expected, found, ignored):
    before, after = read_summary(expected), read_summary(found)
    # Named by itself, lest a careless --ignore hide it.
    for key, value in before.get("ledger", {}).items():
        if key.endswith("nfe") and not key.startswith("recomputed"):
            if after.get("ledger", {}).get(key) != value:
                yield f"ledger.{key}: {value} -> {after.get('ledger', {}).get(key)}"
    yield from json_differences(without(before, ignored), without(after, ignored))
    yield from file_differences(expected, found)


def disturbed_run(options, out, chance, longest):
    """Returns the number of kills; 0 when it was too fast to be killed at all."""
    for kills in range(options.kills_per_run):
        # A third of them early: while the folder is made, the plugins load, the journal is read.
        span = longest * (0.1 if chance.random() < 1 / 3 else 1.0)
        if not Life(options, out).killed_after(chance.uniform(0, span)):
            return kills
    Life(options, out).ended_within(options.timeout)
    return options.kills_per_run


def check(options, work):
    reference = work / "undisturbed"
    begin = time.monotonic()
    Life(options, reference).ended_within(options.timeout)
    seconds = time.monotonic() - begin
    longest = options.longest or 0.6 * seconds
    chance = random.Random(options.seed)
    kills = runs = wrong = too_fast = 0
    while kills < options.kills:
        out = work / f"run-{runs + too_fast}"
        done = disturbed_run(options, out, chance, longest)
        if done == 0:
            too_fast += 1
            longest *= 0.8
            if too_fast > 50:
                raise Untestable("it ends before it can be killed")
        else:
            kills, runs = kills + done, runs + 1
        found = list(differences(reference, out, options.ignore))
        for line in found:
            print(f"{out.name} ({done} kills): {line}")
        wrong += bool(found)
        if not found and not options.keep:
            shutil.rmtree(out)
            out.with_suffix(".log").unlink()
    verdict = "all identical" if wrong == 0 else f"{wrong} different from the undisturbed run"
    print(f"{kills} kills, {runs} runs, {verdict}")
    return 1 if wrong else 0


def main():
    options = parse_arguments()
    work = options.work or pathlib.Path(tempfile.mkdtemp(prefix="winnow-kill9-"))
    work.mkdir(parents=True, exist_ok=True)
    if any(work.iterdir()):
        print(f"kill9.py: {work} is not empty, expected an empty folder", file=sys.stderr)
        return 2
    code = 2
    try:
        code = check(options, work)
    except Untestable as problem:
        print(f"kill9.py: {problem}", file=sys.stderr)
    if code == 0 and not options.keep and not options.work:
        shutil.rmtree(work)
    elif code != 0:
        print(f"kill9.py: what was left is in {work}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
