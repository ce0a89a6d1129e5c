"""How long answers took: a histogram with fixed buckets, cheap enough for every request."""

from __future__ import annotations

from bisect import bisect_left

# Upper bounds in seconds; the last ones show what comes near Stripe's limit of 2 s.
BOUNDS = (0.001, 0.0025, 0.005, 0.010, 0.025, 0.050, 0.100, 0.250, 0.500, 1.0, 1.2, 2.0)


class LatencyCounter:
    """Counts answers by how long they took, in seconds."""

    def __init__(self) -> None:
        """Empty."""
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def count(self, seconds: float) -> None:
        """One answer more."""
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def prometheus(self, name: str) -> str:
        """The histogram in Prometheus' text format."""
        lines, below = [f"# TYPE {name} histogram"], 0
        for bound, number in zip(BOUNDS, self.buckets, strict=False):
            below += number
            lines.append(f'{name}_bucket{{le="{bound}"}} {below}')
        everything = sum(self.buckets)
        lines += [
            f'{name}_bucket{{le="+Inf"}} {everything}',
            f"{name}_sum {self.total:.6f}",
            f"{name}_count {everything}",
        ]
        return "\n".join(lines) + "\n"
