"""A Merkle tree over audit records, as in RFC 6962: one root for many, and a short proof that one is among them.

A leaf is SHA-256 of a zero byte and the record's own hash, an inner node SHA-256 of a one byte and the two below it, so
that no node can be passed off as a record. Everything is lower-case hex.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def leaf(record_hash: str) -> str:
    """The leaf of a record with this hash. Raises ValueError where it is no hex."""
    return hashlib.sha256(b"\x00" + bytes.fromhex(record_hash)).hexdigest()


def node(left: str, right: str) -> str:
    """What stands above two nodes. Raises ValueError where one is no hex."""
    return hashlib.sha256(b"\x01" + bytes.fromhex(left) + bytes.fromhex(right)).hexdigest()


class Tree:
    """A tree that grows leaf by leaf; of any number it keeps only the roots of its full halves."""

    def __init__(self) -> None:
        """Without any leaf."""
        self.size = 0
        # (leaves below it, root), the largest first.
        self._halves: list[tuple[int, str]] = []

    def add(self, record_hash: str) -> None:
        """One more record at the end."""
        self.size += 1
        size, root = 1, leaf(record_hash)
        while self._halves and self._halves[-1][0] == size:
            size, root = size * 2, node(self._halves.pop()[1], root)
        self._halves.append((size, root))

    def root(self) -> str:
        """The root over all leaves. Raises ValueError where there is none."""
        if not self._halves:
            raise ValueError("a tree without a record has no root")
        *others, (_, root) = self._halves
        for _, left in reversed(others):
            root = node(left, root)
        return root


def root_of(record_hashes: Sequence[str]) -> str:
    """The root over these records. Raises ValueError for none."""
    tree = Tree()
    for record_hash in record_hashes:
        tree.add(record_hash)
    return tree.root()


def path_of(record_hashes: Sequence[str], place: int) -> list[str]:
    """What proves that the record at `place`, from 0 on, is among them: a node for each level, the lowest first."""
    level, path = [leaf(record_hash) for record_hash in record_hashes], []
    while len(level) > 1:
        beside = place ^ 1
        if beside < len(level):
            path.append(level[beside])
        # The last of an odd number has nobody beside it, and goes up as it is.
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [node(left, right) for left, right in pairs] + ([level[-1]] if len(level) % 2 else [])
        place //= 2
    return path


def root_by(record_hash: str, place: int, size: int, path: Sequence[str]) -> str | None:
    """The root that a proof leads to, of a tree with so many leaves; None where it cannot be a proof of that place."""
    if not 0 <= place < size:
        return None
    root, last = leaf(record_hash), size - 1
    nodes = iter(path)
    while last:
        if place % 2 or place < last:
            beside = next(nodes, None)
            if beside is None:
                return None
            root = node(beside, root) if place % 2 else node(root, beside)
        place, last = place // 2, last // 2
    return root if next(nodes, None) is None else None
