"""Merkle trees by RFC 9162, kept in tiles of 256 hashes, so that a proof over a million entries reads a dozen rows.

An entry's leaf is SHA-256(0x00, entry), an inner node SHA-256(0x01, left, right). The tile of a level and number holds
the hashes of 256 neighbouring complete subtrees of 256^level entries each; the last tile of a level may hold less.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

HEIGHT: Final = 8
"""How many levels of the tree a tile spans."""

WIDTH: Final = 1 << HEIGHT
"""How many hashes a full tile holds."""

SIZE: Final = 32
"""Bytes of a hash."""

EMPTY_ROOT: Final = hashlib.sha256().digest()
"""The root of a tree without entries (RFC 9162, section 2.1.1)."""


class BadProof(ValueError):
    """A proof that no tree can have, or from which the root of the tree does not follow."""


class IncompleteTile(Exception):
    """A tile that holds fewer hashes than the tree needs."""


class TileId(NamedTuple):
    """The place of a tile: its level, and its number in the level, both from 0."""

    level: int
    number: int


Tiles = Mapping[TileId, bytes]
"""Tiles by their place: the hashes, one after the other."""


class Span(NamedTuple):
    """A range of entries, from `begin` to before `end`, that is a subtree of the tree."""

    begin: int
    end: int


class _Hashes:
    """The hashes of subtrees from tiles, each computed once."""

    def __init__(self, tiles: Tiles) -> None:
        self._tiles = tiles
        self._known: dict[tuple[int, int], bytes] = {}

    def of(self, span: Span) -> bytes:
        """Hash a subtree. Raises KeyError for a tile that is not there, `IncompleteTile` for one that ends before."""
        *left, digest = [self._complete(height, index) for height, index in _cover(span)]
        for other in reversed(left):
            digest = hash_node(other, digest)
        return digest

    def _complete(self, height: int, index: int) -> bytes:
        known = self._known.get((height, index))
        if known is None:
            known = self._known[height, index] = (
                hash_node(self._complete(height - 1, 2 * index), self._complete(height - 1, 2 * index + 1))
                if height % HEIGHT
                else self._in_tile(height, index)
            )
        return known

    def _in_tile(self, height: int, index: int) -> bytes:
        begin = index % WIDTH * SIZE
        digest = self._tiles[TileId(height // HEIGHT, index // WIDTH)][begin : begin + SIZE]
        if len(digest) != SIZE:
            raise IncompleteTile(
                f"the tile {(height // HEIGHT, index // WIDTH)} ends before the subtree {height}/{index}"
            )
        return digest


def hash_leaf(entry: bytes) -> bytes:
    """Hash an entry of the log (RFC 9162, section 2.1.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    """Hash an inner node (RFC 9162, section 2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def append_leaves(tiles: dict[TileId, bytes], size: int, leaves: Iterable[bytes]) -> tuple[int, set[TileId]]:
    """Append leaf hashes to the tiles of a tree of `size` entries.

    `tiles` must hold what `frontier(size)` names. Returns the new size and the tiles that have changed.
    """
    changed: set[TileId] = set()
    for leaf in leaves:
        digest, level, index = leaf, 0, size
        while True:
            place = TileId(level, index // WIDTH)
            tiles[place] = tiles.get(place, b"") + digest
            changed.add(place)
            if len(tiles[place]) < WIDTH * SIZE:
                break
            digest, level, index = _hash_complete(tiles[place]), level + 1, place.number
        size += 1
    return size, changed


def frontier(size: int) -> list[TileId]:
    """List the tiles to which the next entries of a tree of this size are appended."""
    places: list[TileId] = []
    level = 0
    while size:
        if size % WIDTH:
            places.append(TileId(level, size // WIDTH))
        size //= WIDTH
        level += 1
    return places


class RightEdge:
    """A tree of which only the roots of the complete subtrees at its right edge are kept: 32 bytes for each level."""

    def __init__(self) -> None:
        self.size = 0
        self._subtrees: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Append the hash of a leaf (32 bytes, as `hash_leaf` returns it)."""
        digest, size = leaf, self.size
        while size & 1:
            digest, size = hash_node(self._subtrees.pop(), digest), size >> 1
        self._subtrees.append(digest)
        self.size += 1

    @property
    def root(self) -> bytes:
        """The root of the tree (32 bytes); `EMPTY_ROOT` without entries."""
        if not self._subtrees:
            return EMPTY_ROOT
        *left, digest = self._subtrees
        for other in reversed(left):
            digest = hash_node(other, digest)
        return digest


def root_hash(tiles: Tiles, size: int) -> bytes:
    """Compute the root of the first `size` entries; `tiles` must hold what `tiles_of([Span(0, size)])` names."""
    return _Hashes(tiles).of(Span(0, size)) if size else EMPTY_ROOT


def inclusion_spans(index: int, size: int) -> list[Span]:
    """List the subtrees whose hashes prove that entry `index` (from 0) is among `size` (RFC 9162, section 2.1.3.1).

    From the leaf to the root. Raises `BadProof` for an index outside the tree.
    """
    if not 0 <= index < size:
        raise BadProof(f"entry {index} is not among {size}")
    spans: list[Span] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            spans.append(Span(middle, end))
            end = middle
        else:
            spans.append(Span(begin, middle))
            begin = middle
    return spans[::-1]


def spans_beside(indexes: Sequence[int], begin: int, end: int) -> Iterator[Span]:
    """Yield the subtrees of [begin, end) whose hashes prove that all entries with these indexes are in it, from the left.

    `indexes` ascend, from `begin` to before `end`. The hashes of the entries and of these subtrees give the root, as
    in one proof of RFC 9162, section 2.1.3, for each, with what they share once.
    """
    if not indexes:
        yield from [Span(begin, end)] if begin < end else ()
    elif end - begin > 1:
        middle = begin + _split(end - begin)
        seam = bisect_left(indexes, middle)
        yield from spans_beside(indexes[:seam], begin, middle)
        yield from spans_beside(indexes[seam:], middle, end)


def consistency_spans(first: int, second: int) -> list[Span]:
    """List the subtrees whose hashes prove that `second` entries begin with the first (RFC 9162, section 2.1.4.1).

    Empty if nothing has to be proved. Raises `BadProof` if the first tree is larger than the second.
    """
    if not 0 <= first <= second:
        raise BadProof(f"{first} entries are not the beginning of {second}")
    if first in {0, second}:
        return []
    spans: list[Span] = []
    begin, end, complete = 0, second, True
    while first != end:
        middle = begin + _split(end - begin)
        if first <= middle:
            spans.append(Span(middle, end))
            end = middle
        else:
            spans.append(Span(begin, middle))
            begin, complete = middle, False
    return [*([] if complete else [Span(begin, end)]), *spans[::-1]]


def proof(tiles: Tiles, spans: Sequence[Span]) -> list[bytes]:
    """Compute the hashes of subtrees; `tiles` must hold what `tiles_of` names."""
    return proofs(tiles, [spans])[0]


def proofs(tiles: Tiles, paths: Iterable[Sequence[Span]]) -> list[list[bytes]]:
    """Compute the hashes of several paths as `proof` does, each inner node of the tiles once."""
    hashes = _Hashes(tiles)
    return [[hashes.of(span) for span in spans] for spans in paths]


def tiles_of(spans: Iterable[Span]) -> set[TileId]:
    """List the tiles that the hashes of these subtrees need."""
    return {
        TileId(height // HEIGHT, (index << (height % HEIGHT)) // WIDTH)
        for span in spans
        for height, index in _cover(span)
    }


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check a proof of inclusion (RFC 9162, section 2.1.3.2). Raises `BadProof`."""
    spans = inclusion_spans(index, size)
    _require_hashes(spans, path, leaf, root)
    digest = leaf
    for span, other in zip(spans, path, strict=True):
        digest = hash_node(other, digest) if span.begin < index else hash_node(digest, other)
    if digest != root:
        raise BadProof(f"the entry with index {index} is not in the tree of {size} entries with this root")


def check_consistency(first: int, first_root: bytes, second: int, second_root: bytes, path: Sequence[bytes]) -> None:
    """Check a proof that a tree extends an earlier one (RFC 9162, section 2.1.4.2). Raises `BadProof`.

    Every tree extends one without entries, as a witness needs it (https://c2sp.org/tlog-witness).
    """
    spans = consistency_spans(first, second)
    _require_hashes(spans, path, first_root, second_root)
    if first == 0:
        if first_root != EMPTY_ROOT:
            raise BadProof("a tree without entries has another root")
        return
    # The subtree on the seam is the first of the proof, or the old tree itself if that is a complete subtree.
    at_seam = [span for span in spans if span.end <= first]
    old = new = path[0] if at_seam else first_root
    rest = list(zip(spans, path, strict=True))[1 if at_seam else 0 :]
    for span, other in rest:
        if span.end <= first:
            old, new = hash_node(other, old), hash_node(other, new)
        else:
            new = hash_node(new, other)
    if old != first_root:
        raise BadProof(f"the proof does not lead to the root of {first} entries")
    if new != second_root:
        raise BadProof(f"the tree of {second} entries does not extend that of {first}")


def _require_hashes(spans: Sequence[Span], path: Sequence[bytes], *ends: bytes) -> None:
    """Raise `BadProof` unless a proof has a whole hash for each subtree, and those that it joins are whole."""
    if len(spans) != len(path):
        raise BadProof(f"the proof has {len(path)} hashes instead of {len(spans)}")
    if any(len(digest) != SIZE for digest in (*ends, *path)):
        raise BadProof(f"a hash of the proof, or one that it starts from or leads to, has not {SIZE} bytes")


def _split(size: int) -> int:
    """Return the largest power of two below a size of at least 2."""
    return 1 << (size - 1).bit_length() - 1


def _cover(span: Span) -> Iterator[tuple[int, int]]:
    """Yield the complete subtrees that make up a subtree, from left to right, each smaller than the one before.

    One of height h is of 2^h entries; its index counts such subtrees.
    """
    begin, rest = span.begin, span.end - span.begin
    while rest:
        height = rest.bit_length() - 1
        yield height, begin >> height
        begin += 1 << height
        rest -= 1 << height


def _hash_complete(hashes: bytes) -> bytes:
    """Hash the root of neighbouring complete subtrees of one size; their number is a power of two."""
    while len(hashes) > SIZE:
        hashes = b"".join(
            hash_node(hashes[n : n + SIZE], hashes[n + SIZE : n + 2 * SIZE]) for n in range(0, len(hashes), 2 * SIZE)
        )
    return hashes
