"""Measures the host alone, with a sampler that costs nothing: candidates per second through ask, engine, journal and tell, and
peak memory from a thousand to a million candidates.

    python3 tests/bench/toy_bench.py build/bin/winnow build/tests/plugins [--candidates 1000 1000000]

Prints one line per size and the ratio of the peaks. Nothing is asserted: CI machines differ.
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile

CONFIG = """
[run]
name = "toy-bench"
[budget]
candidates = {candidates}
[tasks]
classes = [1]
[sampler]
plugin = "winnow.toy.sampler"
size = 2
steps = 1
batch = 256
[[verifier]]
plugin = "winnow.brightness"
[search]
plugin = "winnow.random"
round = 1024
"""


def measure(binary, plugins, candidates, scratch):
    folder = pathlib.Path(tempfile.mkdtemp(dir=scratch))
    config = folder / "run.toml"
    config.write_text(CONFIG.format(candidates=candidates))
    child = subprocess.Popen([binary, "run", str(config), "--out", str(folder / "out"), "--progress", "none"],
                             stdout=subprocess.DEVNULL, env=dict(os.environ, WN_ADD_PLUGIN_PATH=plugins))
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"winnow run failed with status {status}")
    seconds = json.loads((folder / "out" / "execution.json").read_text())["seconds"]
    return candidates / seconds, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("plugins")
    parser.add_argument("--candidates", type=int, nargs="+", default=[1000, 10000, 100000, 1000000])
    arguments = parser.parse_args()
    peaks = []
    with tempfile.TemporaryDirectory() as scratch:
        for n in arguments.candidates:
            rate, peak = measure(arguments.binary, arguments.plugins, n, scratch)
            peaks.append(peak)
            print(f"{n:>9,} candidates: {rate:>9,.0f} per second, peak {peak:7.1f} MiB", flush=True)
    print(f"peak memory, last over first: {peaks[-1] / peaks[0]:.3f}")


if __name__ == "__main__":
    main()
