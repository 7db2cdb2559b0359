"""winnow_sdk: verifiers for winnow, written in Python.

    from winnow_sdk import verifier

    @verifier
    def score(images, conditions):
        return images.mean(axis=(1, 2, 3)).tolist()

`images` is a read-only numpy array [n, C, H, W] of float32 in [0, 1] that lies in winnow's own memory, `conditions` a list
of n `Condition`; what comes back is n finite numbers, higher is better. See `verifier` for the rest.
"""
from .images import Condition
from .verifiers import verifier

__all__ = ["Condition", "verifier"]
__version__ = "1.0.0rc1"
