"""How long answers took: a histogram with fixed buckets, cheap enough for every request."""

from __future__ import annotations

from roony.measures import Histogram

# Upper bounds in seconds; the last ones show what comes near Stripe's limit of 2 s.
BOUNDS = (0.001, 0.0025, 0.005, 0.010, 0.025, 0.050, 0.100, 0.250, 0.500, 1.0, 1.2, 2.0)


class LatencyCounter(Histogram):
    """Counts answers by how long they took, in seconds."""

    __slots__ = ()

    def __init__(self) -> None:
        """Empty."""
        super().__init__(BOUNDS)
