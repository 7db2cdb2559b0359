"""Measures how long it takes to tune a search on a replay table: 200 tasks x 200 seeds x 20 judged times, replayed by
winnow.pruned at 50 settings of its schedule, each a run of 200 tasks with a budget of its own.

    python3 tests/bench/replay_bench.py build/bin/winnow [--budget 400] [--settings 50] [--keep none] [--jobs 2]

Prints the seconds of the whole study, those that its process computed, and the candidates that were replayed. Nothing is asserted: CI machines differ.
"""
import argparse
import array
import json
import os
import pathlib
import random
import resource
import struct
import subprocess
import tempfile
import time

TASKS, SEEDS, TIMES = 200, 200, 20

RUN = """
[run]
name = "replay-bench"
[execution]
isolate = "none"
[output]
keep = "{keep}"
[budget]
nfe = {budget}
[tasks]
classes = [0]
repeat = {tasks}
[sampler]
plugin = "winnow.replay"
table = "pool.safetensors"
[[verifier]]
plugin = "winnow.replay_scores"
table = "pool.safetensors"
[search]
plugin = "winnow.pruned"
"""

STUDY = """
[study]
name = "pruned"
base = "run.toml"
seeds = [1]
[[sweep]]
label = "schedules"
axes = [{{ key = "search.at", values = [{at}] }}, {{ key = "search.keep", values = [{keep}] }}]
"""


def write_table(path):
    """Scores that previews tell of better and better."""
    draw = random.Random(1).gauss
    scores = array.array("f")
    for _ in range(TASKS * SEEDS):
        score, noise = draw(0, 1), draw(0, 1)
        scores.extend(score + noise * (TIMES - 1 - k) / TIMES for k in range(TIMES))
    times = ",".join(str((TIMES - 1 - k) / TIMES) for k in range(TIMES))
    header = json.dumps({"__metadata__": {"format": "winnow.replay/1", "times": times, "verifiers": "score"},
                         "scores": {"dtype": "F32", "shape": [TASKS, SEEDS, TIMES, 1], "data_offsets": [0, 4 * len(scores)]}})
    header += " " * (-len(header) % 8)
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode() + scores.tobytes())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--budget", type=int, default=400)
    parser.add_argument("--settings", type=int, default=50)
    parser.add_argument("--keep", default="none", help="output.keep of the runs: samples of a replay show nothing")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    at = [[a / 20, b / 20] for a in (4, 5, 6, 7, 8) for b in (10, 12)]
    keep = [[k, k] for k in (0.3, 0.4, 0.5, 0.6, 0.7)]
    labelled = lambda values: ", ".join(f'{{ label = "{v}", value = {v} }}' for v in values)
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        write_table(folder / "pool.safetensors")
        (folder / "run.toml").write_text(RUN.format(budget=arguments.budget, tasks=TASKS, keep=arguments.keep))
        used = at[:max(1, arguments.settings // len(keep))]
        (folder / "study.toml").write_text(STUDY.format(at=labelled(used), keep=labelled(keep)))
        start = time.monotonic()
        subprocess.run([pathlib.Path(arguments.binary).resolve(), "study", "study.toml", "--out", "out", "--progress", "none", "--jobs", str(arguments.jobs)], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL)
        seconds = time.monotonic() - start
        summaries = [json.loads(path.read_text()) for path in folder.glob("out/runs/*/summary.json")]
        candidates = sum(s["ledger"]["candidates"] for s in summaries)
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(f"{len(summaries)} settings, {arguments.jobs} at once, {candidates:,} candidates: {seconds:.1f} s ({usage.ru_utime + usage.ru_stime:.1f} s of CPU)")


if __name__ == "__main__":
    main()
