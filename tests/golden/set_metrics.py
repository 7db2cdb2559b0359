"""Golden values of examples/training/set_metrics.cpp, made with numpy and scipy-free formulas.

    python tests/golden/set_metrics.py > tests/golden/set_metrics.txt

The inputs are formulas, so that the test needs no data: it builds the same arrays.
"""
import numpy as np

N, CLASSES, WIDTH = 60, 10, 12


def probabilities(n):
    i, c = np.meshgrid(np.arange(n), np.arange(CLASSES), indexing="ij")
    logits = 3.0 * np.sin(1.7 * i + 0.9 * c * c) + 1.5 * (i % CLASSES == c)
    e = np.exp(logits)
    return e / e.sum(1, keepdims=True)


def features(n, shift):
    i, c = np.meshgrid(np.arange(n), np.arange(WIDTH), indexing="ij")
    return np.sin(0.37 * i * (c + 1) + shift) + 0.1 * shift * c


def inception_score(p):
    marginal = p.mean(0, keepdims=True)
    return np.exp((p * np.log(p / marginal)).sum(1).mean())


def frechet(a, b):
    c1, c2 = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    # Another route than the code's: the eigenvalues of the unsymmetric product.
    cross = np.sqrt(np.clip(np.linalg.eigvals(c1 @ c2).real, 0, None)).sum()
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(c1) + np.trace(c2) - 2 * cross


if __name__ == "__main__":
    print(f"inception_score {inception_score(probabilities(N)):.12g}")
    print(f"frechet_shifted {frechet(features(N, 0.0), features(N + 30, 0.8)):.12g}")
    # Fewer items than dimensions: a singular covariance.
    print(f"frechet_singular {frechet(features(8, 0.2), features(N, 0.0)):.12g}")
