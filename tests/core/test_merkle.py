"""Roots and proofs as in RFC 6962: the tree that grows agrees with its definition, and no false proof passes."""

from __future__ import annotations

import hashlib
import random

import pytest

from roony.core.merkle import Tree, leaf, node, path_of, root_by, root_of

HASHES = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(70)]


def defined(hashes: list[str]) -> str:
    """The root by the words of RFC 6962, section 2.1: split at the largest power of two below the number."""
    if len(hashes) == 1:
        return leaf(hashes[0])
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return node(defined(hashes[:split]), defined(hashes[split:]))


@pytest.mark.parametrize("size", range(1, len(HASHES) + 1))
def test_the_root_is_the_one_of_the_rfc_and_every_place_is_proven(size: int) -> None:
    hashes = HASHES[:size]
    assert root_of(hashes) == defined(hashes)
    for place, record_hash in enumerate(hashes):
        path = path_of(hashes, place)
        assert root_by(record_hash, place, size, path) == root_of(hashes)
        # Of as many levels as the size has, and no more.
        assert len(path) <= (size - 1).bit_length()


def test_a_known_root() -> None:
    """By hand: a leaf begins with a zero byte, a node with a one byte."""
    a, b = bytes.fromhex(HASHES[0]), bytes.fromhex(HASHES[1])
    left, right = hashlib.sha256(b"\x00" + a).digest(), hashlib.sha256(b"\x00" + b).digest()
    assert root_of(HASHES[:2]) == hashlib.sha256(b"\x01" + left + right).hexdigest()


def test_no_other_proof_leads_to_the_root() -> None:
    dice = random.Random(20_261_129)
    for _ in range(400):
        size = dice.randint(2, len(HASHES))
        hashes, place = HASHES[:size], dice.randrange(size)
        root, path = root_of(hashes), path_of(hashes, place)
        other = dice.randrange(size)
        forged = [
            (HASHES[dice.randrange(size)], other, size, path)
            if other != place
            else (node(path[0], root), place, size, path),
            (hashes[place], place, size, path[:-1]),
            (hashes[place], place, size, [*path, root]),
            (hashes[place], place, size, [*path[:-1], root]),
            (hashes[place], size, size, path),
            (hashes[place], -1, size, path),
        ]
        assert all(root_by(*one) != root for one in forged), (size, place, other)


def test_a_tree_of_nothing_has_no_root() -> None:
    with pytest.raises(ValueError, match="no root"):
        Tree().root()
