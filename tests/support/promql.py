"""As much of Prometheus' query language as the alert rules and the dashboard are written in, over scrapes of a Roony.

A rate is the rise from the first scrape to the last one, by the seconds between; as with Prometheus, a series that the
first scrape did not have yet has none.
"""

from __future__ import annotations

import math
import operator
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

Samples = Mapping[str, Sequence[tuple[Mapping[str, str], float]]]
Labels = frozenset[tuple[str, str]]
Vector = dict[Labels, float]
Value = Vector | float

_TOKEN = re.compile(r'\s*("[^"]*"|\d[\d.]*(?:e\d+)?[mhs]?|[A-Za-z_:][\w:]*|==|=~|!~|!=|>=|<=|[-+*/<>=(){}\[\],])')
_MATCHES: dict[str, Callable[[str, str], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "=~": lambda given, wanted: re.fullmatch(wanted, given) is not None,
    "!~": lambda given, wanted: re.fullmatch(wanted, given) is None,
}
_SUMS: dict[str, Callable[[float, float], float]] = {"+": operator.add, "-": operator.sub}
_PRODUCTS: dict[str, Callable[[float, float], float]] = {
    "*": operator.mul,
    "/": lambda one, other: one / other if other else math.nan,
}
_COMPARED: dict[str, Callable[[float, float], bool]] = {"==": operator.eq, ">": operator.gt, "<": operator.lt}
_GATHERED: dict[str, Callable[[Sequence[float]], float]] = {"sum": math.fsum, "max": max}


class Scrape(NamedTuple):
    """What a scraper got, and when, in seconds."""

    at: float
    samples: Samples


def query(expression: str, scrapes: Sequence[Scrape]) -> Value:
    """What the expression comes to at the last of these scrapes. Raises where it cannot be read to its end."""
    reader = _Reader(expression, scrapes)
    value = reader.either()
    assert not reader.rest, f"{expression!r} goes on with {reader.rest}"
    return value


class _Reader:
    """Reads an expression from left to right and works it out on the way."""

    def __init__(self, expression: str, scrapes: Sequence[Scrape]) -> None:
        self.rest = _TOKEN.findall(expression)
        assert "".join(self.rest) == re.sub(r'\s+(?=(?:[^"]*"[^"]*")*[^"]*$)', "", expression), expression
        self._scrapes = scrapes

    def _is_next(self, *words: str) -> bool:
        return bool(self.rest) and self.rest[0] in words

    def _take(self, *words: str) -> str:
        assert not words or self._is_next(*words), f"{self.rest[:3]}, expected {words}"
        return str(self.rest.pop(0))

    def either(self) -> Value:
        value = self._compared()
        while self._is_next("or", "and"):
            word, more = self._take(), self._compared()
            assert isinstance(value, dict)
            assert isinstance(more, dict)
            value = {**more, **value} if word == "or" else {kept: value[kept] for kept in value if kept in more}
        return value

    def _compared(self) -> Value:
        value = self._worked(_SUMS, lambda: self._worked(_PRODUCTS, self._one))
        if self._is_next(*_COMPARED):
            compare = _COMPARED[self._take()]
            limit = self._worked(_SUMS, lambda: self._worked(_PRODUCTS, self._one))
            assert isinstance(value, dict)
            assert isinstance(limit, float)
            return {labels: number for labels, number in value.items() if compare(number, limit)}
        return value

    def _worked(self, known: Mapping[str, Callable[[float, float], float]], part: Callable[[], Value]) -> Value:
        value = part()
        while self._is_next(*known):
            value = _both(known[self._take()], value, part())
        return value

    def _one(self) -> Value:
        word = self._take()
        if word == "(":
            value = self.either()
            self._take(")")
            return value
        if word[0].isdigit():
            return float(word)
        if word in _GATHERED:
            return self._gathered(_GATHERED[word])
        if word in ("rate", "increase"):
            return self._risen(per_second=word == "rate")
        if word == "histogram_quantile":
            return self._quantile()
        return self._selected(word, self._matchers(), self._scrapes[-1])

    def _gathered(self, gather: Callable[[Sequence[float]], float]) -> Vector:
        kept: set[str] = set()
        if self._is_next("by"):
            self._take()
            self._take("(")
            while not self._is_next(")"):
                kept.add(self._take())
                if self._is_next(","):
                    self._take()
            self._take(")")
        self._take("(")
        value = self.either()
        self._take(")")
        assert isinstance(value, dict)
        groups: dict[Labels, list[float]] = defaultdict(list)
        for labels, number in value.items():
            groups[frozenset(label for label in labels if label[0] in kept)].append(number)
        return {labels: gather(numbers) for labels, numbers in groups.items()}

    def _risen(self, per_second: bool) -> Vector:
        self._take("(")
        name = self._take()
        matchers = self._matchers()
        self._take("[")
        assert re.fullmatch(r"\d+[smh]", self._take())
        self._take("]")
        self._take(")")
        first, last = self._scrapes[0], self._scrapes[-1]
        before, after = (self._selected(name, matchers, scrape) for scrape in (first, last))
        by = last.at - first.at if per_second else 1.0
        return {labels: (number - before[labels]) / by for labels, number in after.items() if labels in before}

    def _quantile(self) -> Vector:
        """Only whether there is one: the upper bound that it lies under."""
        self._take("(")
        share = float(self._take())
        self._take(",")
        value = self.either()
        self._take(")")
        assert isinstance(value, dict)
        groups: dict[Labels, list[tuple[float, float]]] = defaultdict(list)
        for labels, number in value.items():
            [bound] = [text for name, text in labels if name == "le"]
            groups[frozenset(label for label in labels if label[0] != "le")].append((float(bound), number))
        found = {}
        for labels, buckets in groups.items():
            most = max(number for _, number in buckets)
            found[labels] = min(bound for bound, number in sorted(buckets) if number >= share * most)
        return found

    def _matchers(self) -> list[tuple[str, str, str]]:
        found = []
        if self._is_next("{"):
            self._take()
            while not self._is_next("}"):
                found.append((self._take(), self._take(*_MATCHES), self._take()[1:-1]))
                if self._is_next(","):
                    self._take()
            self._take("}")
        return found

    def _selected(self, name: str, matchers: Sequence[tuple[str, str, str]], scrape: Scrape) -> Vector:
        return {
            frozenset(labels.items()): number
            for labels, number in scrape.samples.get(name, ())
            if all(_MATCHES[how](labels.get(label, ""), wanted) for label, how, wanted in matchers)
        }


def _both(work: Callable[[float, float], float], one: Value, other: Value) -> Value:
    """Series with the same labels belong together; a number belongs to all."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {labels: work(number, other[labels]) for labels, number in one.items() if labels in other}
    if isinstance(one, dict):
        assert isinstance(other, float)
        return {labels: work(number, other) for labels, number in one.items()}
    if isinstance(other, dict):
        return {labels: work(one, number) for labels, number in other.items()}
    return work(one, other)
