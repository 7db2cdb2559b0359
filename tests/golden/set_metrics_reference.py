"""Golden values of host/set_metrics.cpp, by other routes than the code's.

    python tests/golden/set_metrics_reference.py > tests/golden/set_metrics_reference.txt

Needs numpy and scipy. The Frechet distance is taken twice: with scipy's matrix square root, as the common FID programs
do (whole covariances only), and with singular values of the data themselves; precision and recall by brute force. The
inputs are formulas whose float32 values are exact, so that the test builds the same arrays.
"""
import numpy as np
import scipy.linalg


def features(n, width, offset=0, lift=0.0):
    i, c = np.meshgrid(np.arange(n) + offset, np.arange(width), indexing="ij")
    return ((i * i * 31 + c * c * 17 + i * c * 7 + i) % 97) / 32.0 + lift * (c % 3)


def log_probabilities(n, classes):
    i, c = np.meshgrid(np.arange(n), np.arange(classes), indexing="ij")
    logits = ((i * 13 + c * c * 5 + i * c) % 23) / 4.0
    return (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype(np.float32).astype(float)


def inception_score(log_p):
    p = np.exp(log_p)
    return np.exp((p * (log_p - np.log(p.mean(0, keepdims=True)))).sum(1).mean())


def frechet(a, b):
    rest = ((a.mean(0) - b.mean(0)) ** 2).sum()
    c1, c2 = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    rest += np.trace(c1) + np.trace(c2)
    # tr (C1 C2)^(1/2) = |A B^T|_* for C1 = A^T A and C2 = B^T B.
    rows = [(x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (a, b)]
    by_data = rest - 2 * np.linalg.svd(rows[0] @ rows[1].T, compute_uv=False).sum()
    if min(len(a), len(b)) > a.shape[1]:
        by_root = rest - 2 * np.trace(scipy.linalg.sqrtm(c1 @ c2)).real
        assert abs(by_root - by_data) < 1e-8 * by_data, (by_root, by_data)
    return by_data


def share_inside(points, centres, k):
    def distance(x, y):
        return np.sqrt(((x - y) ** 2).sum())

    radius = [sorted(distance(c, other) for j, other in enumerate(centres) if j != i)[k - 1] for i, c in enumerate(centres)]
    return np.mean([any(distance(p, c) <= r for c, r in zip(centres, radius)) for p in points])


if __name__ == "__main__":
    print(f"inception_score {inception_score(log_probabilities(60, 10)):.12g}")
    print(f"frechet_whole {frechet(features(60, 12), features(90, 12, 7, 0.25)):.12g}")
    print(f"frechet_singular {frechet(features(8, 12, 3), features(60, 12)):.12g}")
    print(f"frechet_wide {frechet(features(200, 96), features(40, 96, 11, 0.5)):.12g}")
    samples, reference = features(60, 4), features(60, 4, 29, 0.25)
    for k in (1, 3):
        print(f"precision_{k} {share_inside(samples, reference, k):.12g}")
        print(f"recall_{k} {share_inside(reference, samples, k):.12g}")
