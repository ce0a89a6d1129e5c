"""Ordered, indexed sets of records: the memory of the simulated world."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator
from typing import Any

Record = dict[str, Any]


class Collection:
    """Records by id, in order of creation, with an index for each named field.

    A record is a JSON object with an "id"; it is changed in place and then announced with `touch`. An index over two
    fields is named "one+other", and its values are pairs.
    """

    def __init__(self, name: str, indexed: tuple[str, ...], changed: Callable[[str, str], None]) -> None:
        self.name = name
        self._indexed = {name: tuple(name.split("+")) for name in indexed}
        self._changed = changed
        self._records: dict[str, Record] = {}
        self._groups: dict[str, dict[Any, list[int]]] = {field: {} for field in indexed}
        self._by_order: dict[int, Record] = {}
        self.last = 0

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self._records.values()))

    def get(self, identifier: str) -> Record | None:
        """Return the record, or None."""
        return self._records.get(identifier)

    def oldest(self) -> Record | None:
        """Return the record added first, or None."""
        return next(iter(self._records.values()), None)

    def __getitem__(self, identifier: str) -> Record:
        return self._records[identifier]

    def add(self, record: Record) -> Record:
        """Keep a new record; it becomes the newest."""
        self.last += 1
        record["order"] = self.last
        self.put_back(record)
        self._changed(self.name, record["id"])
        return record

    def put_back(self, record: Record) -> None:
        """Keep a record that already has its order, in its place among the others."""
        number = record["order"]
        self.last = max(self.last, number)
        self._records[record["id"]] = record
        self._by_order[number] = record
        for field in self._indexed:
            bisect.insort(self._groups[field].setdefault(self._value(field, record), []), number)

    def _value(self, field: str, record: Record) -> Any:
        parts = self._indexed[field]
        return record.get(field) if len(parts) == 1 else tuple(record.get(part) for part in parts)

    def added_after(self, order: int) -> Iterator[Record]:
        """Yield the records newer than `order`, oldest first."""
        for place in range(order + 1, self.last + 1):
            record = self._by_order.get(place)
            if record is not None:
                yield record

    def touch(self, record: Record) -> None:
        """Say that a record has changed. Indexed fields must not change."""
        self._changed(self.name, record["id"])

    def remove(self, identifier: str) -> None:
        """Forget a record."""
        record = self._records.pop(identifier, None)
        if record is None:
            return
        del self._by_order[record["order"]]
        for field in self._indexed:
            groups, value = self._groups[field], self._value(field, record)
            numbers = groups[value]
            del numbers[bisect.bisect_left(numbers, record["order"])]
            if not numbers:
                del groups[value]
        self._changed(self.name, identifier)

    def where(self, field: str, value: Any) -> Iterator[Record]:
        """Yield the records whose indexed field has this value, oldest first."""
        for number in list(self._groups[field].get(value, ())):
            yield self._by_order[number]

    def newest_first(self, field: str, value: Any, before: int | None = None) -> Iterator[Record]:
        """Yield the records of a group from the newest to the oldest, starting below order `before`."""
        numbers = self._groups[field].get(value, [])
        position = len(numbers) if before is None else bisect.bisect_left(numbers, before)
        for index in range(position - 1, -1, -1):
            yield self._by_order[numbers[index]]

    def oldest_first(self, field: str, value: Any, after: int) -> Iterator[Record]:
        """Yield the records of a group from the oldest to the newest, starting above order `after`."""
        numbers = self._groups[field].get(value, [])
        for index in range(bisect.bisect_right(numbers, after), len(numbers)):
            yield self._by_order[numbers[index]]
