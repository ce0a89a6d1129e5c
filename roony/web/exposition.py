"""Figures as Prometheus reads them: its text format 0.0.4, one family after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from roony.measures import Histogram

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Sample = tuple[Mapping[str, str], float]
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class Exposition:
    """A page of figures being written."""

    def __init__(self) -> None:
        """Empty."""
        self._lines: list[str] = []

    def counter(self, name: str, about: str, value: float) -> None:
        """What only rises; its name ends in `_total`."""
        self.family(name, "counter", about, [({}, value)])

    def gauge(self, name: str, about: str, value: float) -> None:
        """What rises and falls."""
        self.family(name, "gauge", about, [({}, value)])

    def family(self, name: str, kind: str, about: str, samples: Iterable[Sample]) -> None:
        """A figure with a value for each set of labels; left out where there is none."""
        lines = [f"{name}{_labels(labels)} {_number(value)}" for labels, value in samples]
        if lines:
            self._lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}", *lines]

    def histogram(self, name: str, about: str, counted: Histogram) -> None:
        """How often a value was at most each bound."""
        self._lines += [f"# HELP {name} {about}", f"# TYPE {name} histogram"]
        buckets, total, below = list(counted.buckets), counted.total, 0
        for bound, number in zip(counted.bounds, buckets, strict=False):
            below += number
            self._lines.append(f'{name}_bucket{{le="{bound}"}} {below}')
        # Of one copy, so that they agree while others count.
        everything = sum(buckets)
        self._lines += [
            f'{name}_bucket{{le="+Inf"}} {everything}', f"{name}_sum {total:.6f}", f"{name}_count {everything}",
        ]  # fmt: skip

    def text(self) -> str:
        """The whole page."""
        return "\n".join([*self._lines, ""])


def _labels(labels: Mapping[str, str]) -> str:
    inner = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
    return f"{{{inner}}}" if inner else ""


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6f}".rstrip("0").rstrip(".")
