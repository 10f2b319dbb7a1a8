"""How much main memory a worker has held."""

from __future__ import annotations

import resource
import sys


def resident() -> int:
    """The most bytes of main memory that this process has held so far."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
