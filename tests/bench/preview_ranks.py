"""Measures how far a verifier can rank previews: Spearman's rank correlation, among the candidates of a task, between the score
of the preview at a time on the way and the score of the finished sample. Searches that branch on the way live on it.

    python3 tests/bench/preview_ranks.py build/bin/winnow configs/searches/fashion-mnist.toml verifier.linear_probe.role=select
    python3 tests/bench/preview_ranks.py build/bin/winnow configs/text-to-image/base/scenes.toml tasks.limit=40

Every selecting verifier is measured. Prints the mean over tasks with its 95 % interval by the bootstrap over tasks.
"""
import argparse
import array
import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile


def record(args, folder):
    """The scores of a run of best of N whose paths are judged on the way, as `winnow export --replay` writes them."""
    run, table = folder / "run", folder / "scores.safetensors"
    times = ", ".join(str(time) for time in args.times)
    subprocess.run([args.winnow, "run", args.config, "--quiet", "--out", run, "search.plugin=winnow.random",
                    f"search.candidates={args.candidates}", f"search.preview_times=[{times}]",
                    f"budget.nfe={args.candidates * 1000}", "selection.rule=mean-rank", *args.overrides],
                   check=True, stdout=subprocess.DEVNULL)
    subprocess.run([args.winnow, "export", "--quiet", "--replay", run, "--out", table], check=True, stdout=subprocess.DEVNULL)
    return table


def read(table):
    data = table.read_bytes()
    size, = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + size])
    begin, end = header["scores"]["data_offsets"]
    scores = array.array("f", data[8 + size + begin:8 + size + end])
    meta = header["__metadata__"]
    return (scores, header["scores"]["shape"], [float(time) for time in meta["times"].split(",")],
            meta["verifiers"].split(","))


def ranks(values):
    """Ties share their mean rank."""
    order = sorted(range(len(values)), key=values.__getitem__)
    out = [0.0] * len(values)
    i = 0
    while i < len(order):
        j = i
        while j + 1 < len(order) and values[order[j + 1]] == values[order[i]]:
            j += 1
        for k in range(i, j + 1):
            out[order[k]] = (i + j) / 2
        i = j + 1
    return out


def spearman(a, b):
    """None where one of them is constant."""
    a, b = ranks(a), ranks(b)
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    va = sum((x - mean_a) ** 2 for x in a)
    vb = sum((y - mean_b) ** 2 for y in b)
    if va == 0 or vb == 0:
        return None
    return sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b)) / (va * vb) ** 0.5


def interval(values, draw=random.Random(1), resamples=2000):
    means = sorted(sum(draw.choices(values, k=len(values))) / len(values) for _ in range(resamples))
    return sum(values) / len(values), means[int(0.025 * resamples)], means[int(0.975 * resamples) - 1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("winnow")
    parser.add_argument("config")
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--candidates", type=int, default=16)
    parser.add_argument("--times", type=lambda text: [float(t) for t in text.split(",")],
                        default=[0.9, 0.75, 0.6, 0.45, 0.3, 0.15])
    args = parser.parse_intermixed_args()
    with tempfile.TemporaryDirectory(prefix="winnow-previews-") as folder:
        scores, (tasks, seeds, n_times, n), times, verifiers = read(record(args, pathlib.Path(folder)))

    def column(task, time, verifier):
        return [scores[((task * seeds + seed) * n_times + time) * n + verifier] for seed in range(seeds)]

    print(f"{tasks} tasks, {seeds} candidates each")
    for v, name in enumerate(verifiers):
        for t in range(n_times - 1):
            each = [spearman(column(task, t, v), column(task, n_times - 1, v)) for task in range(tasks)]
            each = [value for value in each if value is not None]
            if each:
                print("{:20} at {:5.3f}: {:6.3f} ({:.3f} to {:.3f})".format(name, times[t], *interval(each)))


try:
    main()
except subprocess.CalledProcessError as failed:  # winnow has said why
    sys.exit(failed.returncode)
