"""The Merkle tree against the plain definition of RFC 9162, and its proofs against changed entries."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.evidence.merkle import (
    EMPTY_ROOT,
    BadProof,
    RightEdge,
    Span,
    TileId,
    append_leaves,
    check_consistency,
    check_inclusion,
    consistency_spans,
    frontier,
    hash_leaf,
    inclusion_spans,
    proof,
    root_hash,
    spans_beside,
    tiles_of,
)
from shared.evidence.verify_bundle import root_by_all


def leaves(count: int) -> list[bytes]:
    return [hash_leaf(b"entry %d" % n) for n in range(count)]


def tree(count: int) -> dict[TileId, bytes]:
    tiles: dict[TileId, bytes] = {}
    append_leaves(tiles, 0, leaves(count))
    return tiles


def plain_root(hashes: list[bytes]) -> bytes:
    """Compute the root by the recursive definition, word for word."""
    if not hashes:
        return hashlib.sha256().digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return hashlib.sha256(b"\x01" + plain_root(hashes[:k]) + plain_root(hashes[k:])).digest()


BIG = 70_000
ALL = leaves(BIG)
TILES = tree(BIG)
sizes = st.one_of(st.integers(0, 600), st.sampled_from([256, 257, 511, 512, 65_535, 65_536, 65_537, BIG]))


@given(sizes)
def test_the_root_is_that_of_the_recursive_definition(size: int) -> None:
    """Given a tree of some size, when its root is computed from tiles, then it is what the definition of RFC 9162 gives."""
    needed = {place: TILES[place] for place in tiles_of([Span(0, size)])}
    assert root_hash(needed, size) == plain_root(ALL[:size])


@given(st.integers(0, 600))
def test_the_right_edge_alone_gives_the_root(size: int) -> None:
    """Given leaves one after the other, when only the right edge of their tree is kept, then its root is the tree's."""
    edge = RightEdge()
    for leaf in ALL[:size]:
        edge.append(leaf)
    assert (edge.size, edge.root) == (size, plain_root(ALL[:size]))


@given(sizes.filter(bool), st.data())
def test_an_entry_of_the_tree_is_proved_and_no_other(size: int, data: st.DataObject) -> None:
    """Given the proof of an entry, when entry, index, root or length is another, then it is refused."""
    index = data.draw(st.integers(0, size - 1))
    path = proof(TILES, inclusion_spans(index, size))
    root = plain_root(ALL[:size])
    check_inclusion(ALL[index], index, size, path, root)
    with pytest.raises(BadProof):
        check_inclusion(hash_leaf(b"another"), index, size, path, root)
    with pytest.raises(BadProof):
        check_inclusion(ALL[index], index, size, path, EMPTY_ROOT)
    with pytest.raises(BadProof):
        check_inclusion(ALL[index], index, size, [*path, root], root)
    if size > 1:
        with pytest.raises(BadProof):
            check_inclusion(ALL[index], (index + 1) % size, size, path, root)


@given(sizes, sizes)
def test_a_tree_extends_its_beginning_and_no_other_tree(one: int, other: int) -> None:
    """Given two sizes of a tree, when the proof between them is checked, then it holds for their two roots alone."""
    first, second = sorted((one, other))
    path = proof(TILES, consistency_spans(first, second))
    old, new = plain_root(ALL[:first]), plain_root(ALL[:second])
    check_consistency(first, old, second, new, path)
    forged = hash_leaf(b"forged")
    with pytest.raises(BadProof):
        check_consistency(first, forged, second, new, path)
    if first:
        with pytest.raises(BadProof):
            check_consistency(first, old, second, forged, path)


@given(st.integers(0, 1_500), st.lists(st.integers(0, 600), max_size=4))
def test_a_tree_grows_from_its_frontier_alone(start: int, steps: list[int]) -> None:
    """Given only the tiles at its right edge, when leaves are appended, then the tiles are those of the tree built at once."""
    expected = tree(start)
    stored, size = dict(expected), start
    for step in steps:
        frontier_hashes = {place: stored[place] for place in frontier(size)}
        size, changed = append_leaves(frontier_hashes, size, ALL[size : size + step])
        stored |= {place: frontier_hashes[place] for place in changed}
    assert stored == tree(size)


def test_entries_outside_the_tree_have_no_proof() -> None:
    """Given an entry or a size beyond the tree, when its proof is asked for, then that is an error."""
    with pytest.raises(ValueError, match="is not among"):
        inclusion_spans(3, 3)
    with pytest.raises(ValueError, match="beginning"):
        consistency_spans(4, 3)


@given(sizes.filter(bool), st.data())
def test_one_proof_of_several_entries_leads_to_the_root_by_another_program(size: int, data: st.DataObject) -> None:
    """Given some entries and their one proof, when the offline check follows it, then the root is that of the log; with one altered, it is not."""
    indexes = sorted(data.draw(st.sets(st.integers(0, size - 1), max_size=40)))
    spans = list(spans_beside(indexes, 0, size))
    needed = {place: TILES[place] for place in tiles_of(spans)}
    path = proof(needed, spans)
    chosen = [(index, ALL[index]) for index in indexes]
    root = plain_root(ALL[:size])
    assert root_by_all(chosen, 0, size, iter(path)) == root
    if chosen:
        place = data.draw(st.integers(0, len(chosen) - 1))
        chosen[place] = (chosen[place][0], hash_leaf(b"another"))
        assert root_by_all(chosen, 0, size, iter(path)) != root
