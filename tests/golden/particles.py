"""Golden values of plugins/searches/particles.hpp, by other routes than the code's.

    python tests/golden/particles.py > tests/golden/particles.txt

Needs nothing but Python. Sums of exponentials and effective sizes are taken with 60 decimal digits; resampling with exact
fractions; potentials from their definitions, each product of a lineage anew. A line is a kind, its arguments, a bar and
what must come out.
"""
from decimal import Decimal, getcontext
from fractions import Fraction
from math import floor

getcontext().prec = 60


def lse(w):
    return float(sum(Decimal(x).exp() for x in w).ln())


def ess(w):
    e = [Decimal(x).exp() for x in w]
    return float(sum(e) ** 2 / sum(x * x for x in e))


def inverse(weights, points):
    """How many of the points fall into each weight's stretch of [0, 1)."""
    counts, edges, total = [0] * len(weights), [], Fraction(0)
    for w in weights:
        total += w
        edges.append(total)
    for p in points:
        counts[next(i for i, edge in enumerate(edges) if p < edge)] += 1
    return counts


def ssp(weights, n, uniforms):
    """Gerber, Chopin and Whiteley, 2019: two fractions trade until one of them is 0 or 1."""
    wanted = [w * n for w in weights]
    counts = [floor(x) for x in wanted]
    fractions = [x - floor(x) for x in wanted]
    uniforms = iter(uniforms)
    held = 0
    for j in range(1, len(weights)):
        total = fractions[held] + fractions[j]
        if 0 < total < 2:
            u = next(uniforms)
            # The larger outcome of either side, and the chance that keeps its mean.
            if total < 1:  # one gets all, the other nothing
                wins = u < fractions[held] / total
                outcome = (total, Fraction(0)) if wins else (Fraction(0), total)
            else:  # one gets 1, the other the rest
                wins = u < (1 - fractions[j]) / (2 - total)
                outcome = (Fraction(1), total - 1) if wins else (total - 1, Fraction(1))
            fractions[held], fractions[j] = outcome
        done = held if fractions[held] in (0, 1) else j
        counts[done] += fractions[done] == 1
        held = j if done == held else held
    counts[held] += fractions[held] == 1
    return counts


def potentials(kind, lam, rewards):
    """log G of each reward; the last is that of the sample."""
    out = []
    for k, r in enumerate(rewards):
        if kind == "diff":
            g = lam * (r - (rewards[k - 1] if k else 0))
        elif k + 1 == len(rewards):
            g = lam * r - sum(out)
        elif kind == "max":
            g = lam * max(rewards[: k + 1])
        else:
            g = lam * sum(rewards[: k + 1])
        out.append(g)
    return out


def text(numbers):
    return " ".join(repr(x) for x in numbers)


def main():
    for w in ([0.0], [0.5, -1.25, 3.0], [-1000.0, -1001.0, -1002.5], [800.0, 799.0, 700.0, 800.0]):
        print("lse", text(w), "|", repr(lse(w)))
        print("ess", text(w), "|", repr(ess(w)))
    pools = ([1, 2, 3, 2], [5, 0, 1, 1, 1], [1, 1, 1, 1], [0, 0, 7], [3, 13, 5, 11, 2, 7, 1, 6])
    us = [Fraction(k * 37 % 101, 101) for k in range(1, 60)]
    for pool in pools:
        weights = [Fraction(x, sum(pool)) for x in pool]
        for n in (1, 4, 7):
            for u in us[:3]:
                points = [(k + u) / n for k in range(n)]
                print("systematic", text(pool), "|", n, float(u), "|", text(inverse(weights, points)))
            print("multinomial", text(pool), "|", n, text(map(float, us[:n])), "|", text(inverse(weights, us[:n])))
            for shift in (0, 5, 11):
                chosen = us[shift : shift + len(pool)]
                print("ssp", text(pool), "|", n, text(map(float, chosen)), "|", text(ssp(weights, n, chosen)))
    rewards = [-3.0, -2.5, -2.75, -1.0]
    for kind in ("diff", "max", "sum"):
        print(kind, "10.0", text(rewards), "|", text(potentials(kind, 10.0, rewards)))


main()
