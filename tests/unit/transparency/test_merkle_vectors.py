"""Proofs against the public vectors of transparency-dev/merkle, in the kernel and in the program that checks a bundle."""

import json
from base64 import b64decode
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from shared.evidence.merkle import EMPTY_ROOT, SIZE, BadProof, check_consistency, check_inclusion
from shared.evidence.verify_bundle import root_by_inclusion, roots_by_consistency
from tests.as_one_test import as_one_test

_VECTORS: Final = json.loads(Path(__file__).with_name("merkle_vectors.json").read_text(encoding="utf-8"))
_SHORT: Final = {"additional/sizes-are-equal-one-and-proof-is-empty"}
"""Vectors that hold there, though their roots are 12 bytes of text: a root of SHA-256 has 32."""


def _decoded(row: Sequence[Any]) -> list[Any]:
    """Return the arguments of a check, hashes as bytes."""
    _, first, number, size, last, path, _ = row
    return [b64decode(first), number, size, b64decode(last), [b64decode(one) for one in path]]


def _inclusion_holds(leaf: bytes, index: int, size: int, root: bytes, path: list[bytes]) -> bool:
    try:
        check_inclusion(leaf, index, size, path, root)
    except BadProof:
        return False
    return True


def _bundled_inclusion_holds(leaf: bytes, index: int, size: int, root: bytes, path: list[bytes]) -> bool:
    try:
        return root_by_inclusion(leaf, index, size, path) == root
    except ValueError:
        return False


def _consistency_holds(old: bytes, first: int, second: int, new: bytes, path: list[bytes]) -> bool:
    try:
        check_consistency(first, old, second, new, path)
    except BadProof:
        return False
    return True


def _bundled_consistency_holds(old: bytes, first: int, second: int, new: bytes, path: list[bytes]) -> bool:
    try:
        return roots_by_consistency(first, old, second, path) == (old, new)
    except ValueError:
        return False


_INCLUSION: Final = [_inclusion_holds, _bundled_inclusion_holds]
_CONSISTENCY: Final = [_consistency_holds, _bundled_consistency_holds]


def test_every_vector_is_there() -> None:
    """The vectors are 98 of inclusion and 98 of consistency, some of each that hold."""
    for kind in ("inclusion", "consistency"):
        assert len(_VECTORS[kind]) == 98
        assert {row[-1] for row in _VECTORS[kind]} == {True, False}


@as_one_test
@pytest.mark.parametrize("holds", _INCLUSION)
@pytest.mark.parametrize("row", _VECTORS["inclusion"], ids=lambda row: row[0])
def test_inclusion_is_judged_as_elsewhere(row: Sequence[Any], holds: Callable[..., bool]) -> None:
    """Given a public vector of an inclusion proof, it holds if, and only if, it does for others."""
    assert holds(*_decoded(row)) == row[-1]


@as_one_test
@pytest.mark.parametrize("holds", _CONSISTENCY)
@pytest.mark.parametrize("row", _VECTORS["consistency"], ids=lambda row: row[0])
def test_consistency_is_judged_as_elsewhere(row: Sequence[Any], holds: Callable[..., bool]) -> None:
    """Given a public vector of a consistency proof, it holds if, and only if, it does for others and its hashes are whole."""
    assert holds(*_decoded(_reordered(row))) == (row[-1] and row[0] not in _SHORT)


def _reordered(row: Sequence[Any]) -> Sequence[Any]:
    """Return a row of consistency in the order of one of inclusion: a hash, two numbers, a hash."""
    name, first, old, second, new, path, holds = row
    return [name, old, first, second, new, path, holds]


@pytest.mark.parametrize("holds", _INCLUSION)
def test_an_entry_outside_the_tree_is_not_proved(holds: Callable[..., bool]) -> None:
    """Given an index before, or after, the entries of a tree, then a proof is bad; it is no error of another kind."""
    leaf = bytes(SIZE)
    assert holds(leaf, 0, 1, leaf, [])
    for index, size in ((-1, 1), (-2, 1), (1, 1), (0, 0), (0, -1)):
        assert not holds(leaf, index, size, leaf, [])


@pytest.mark.parametrize("holds", _INCLUSION)
@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_hash_of_another_length_proves_no_entry(holds: Callable[..., bool], length: int) -> None:
    """Given a leaf, a root or a hash of the path that has other than 32 bytes, then the proof is bad."""
    assert not holds(bytes(length), 0, 1, bytes(length), [])
    row = next(row for row in _VECTORS["inclusion"] if row[0] == "1/happy-path")
    leaf, index, size, root, path = _decoded(row)
    assert holds(leaf, index, size, root, path)
    assert not holds(leaf, index, size, root, [*path[:-1], bytes(length)])


@pytest.mark.parametrize("holds", _CONSISTENCY)
def test_an_earlier_tree_is_never_the_larger_one(holds: Callable[..., bool]) -> None:
    """Given a second tree that is smaller than the first, then a proof is bad, whatever it is."""
    root = bytes(SIZE)
    assert holds(root, 2, 2, root, [])
    for first, second in ((2, 1), (1, 0), (3, 2), (-1, 2), (-2, -1)):
        assert not holds(root, first, second, root, [])
        assert not holds(root, first, second, root, [root])


@pytest.mark.parametrize("holds", _CONSISTENCY)
@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_hash_of_another_length_extends_no_tree(holds: Callable[..., bool], length: int) -> None:
    """Given a root that has other than 32 bytes, then the proof is bad, even where nothing is to be proved."""
    assert not holds(bytes(length), 1, 1, bytes(length), [])
    row = next(row for row in _VECTORS["consistency"] if row[0] == "2/happy-path")
    old, first, second, new, path = _decoded(_reordered(row))
    assert holds(old, first, second, new, path)
    assert not holds(old, first, second, new, [bytes(length), *path[1:]])


def test_every_tree_extends_the_empty_one() -> None:
    """Given a tree without entries, a witness takes any tree after it, with an empty proof, and only with its own root."""
    assert _consistency_holds(EMPTY_ROOT, 0, 1, bytes(SIZE), [])
    assert not _consistency_holds(bytes(SIZE), 0, 1, bytes(SIZE), [])
    assert not _consistency_holds(EMPTY_ROOT, 0, 1, bytes(SIZE), [EMPTY_ROOT])
