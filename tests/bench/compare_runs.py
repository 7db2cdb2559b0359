"""Compares finished runs of one config: largest difference between scores of the same candidate, share of tasks with the same winner,
and whether asks (recipes, order) are equal.

    python3 tests/bench/compare_runs.py RUN_A RUN_B [RUN_C ...]      every run is compared with the first
"""
import json
import pathlib
import struct
import sys


def records(run):
    data = (pathlib.Path(run) / "journal.wnj").read_bytes()
    offset = 8
    while offset < len(data):
        size, _ = struct.unpack_from("<II", data, offset)
        yield json.loads(data[offset + 8:offset + 8 + size])
        offset += 8 + size


def load(run):
    asks, scores = {}, {}
    for record in records(run):
        if record["k"] == "ask":
            asks.setdefault(record["t"], []).append(record)
        elif record["k"] == "done":
            for verifier, heads in enumerate(record["s"]):
                if heads:
                    scores[record["t"], record["c"], verifier] = heads[0]
    summary = json.loads((pathlib.Path(run) / "summary.json").read_text())
    winners = [task["best"]["candidate"] for task in summary["tasks"]]
    return asks, scores, winners, summary


def main():
    first = load(sys.argv[1])
    for other_run in sys.argv[2:]:
        other = load(other_run)
        worst = max(abs(score - other[1][key]) for key, score in first[1].items())
        equal = sum(a == b for a, b in zip(first[2], other[2]))
        print(f"{sys.argv[1]} vs {other_run}: asks {'equal' if first[0] == other[0] else 'DIFFER'}, "
              f"{len(first[1])} scores differ by at most {worst:.2e}, winner equal in {equal} of {len(first[2])} tasks, "
              f"summaries {'equal' if first[3] == other[3] else 'differ'}")


if __name__ == "__main__":
    main()
