"""winnow_sdk: verifiers for winnow, written in Python.

    from winnow_sdk import verifier

    @verifier
    def score(images, conditions):
        return images.mean(axis=(1, 2, 3)).tolist()

`images` is a read-only numpy array [n, C, H, W] of float32 in [0, 1] that lies in winnow's own memory, `conditions` a list
of n `Condition`; what comes back is n finite numbers, higher is better. See `verifier` for the rest.
"""
import sys

if sys.version_info < (3, 11):  # before any line that older ones cannot read
    raise ImportError("winnow_sdk needs Python 3.11 or newer, %s is %s" % (sys.executable, sys.version.split()[0]))

from .images import Condition  # noqa: E402
from .verifiers import verifier  # noqa: E402

__all__ = ["Condition", "verifier"]
__version__ = "1.0.0rc1"
