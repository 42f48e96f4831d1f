"""A tuple that counts how often it is read, for tests of what costs the square of a record."""

from collections.abc import Iterator
from typing import ClassVar, TypeVar

T = TypeVar("T")


class Counted(tuple[T, ...]):
    """A tuple that counts how often anybody walks through any of its kind."""

    __slots__ = ()
    read: ClassVar[int] = 0

    def __iter__(self) -> Iterator[T]:
        Counted.read += 1
        return super().__iter__()

    def __reversed__(self) -> Iterator[T]:
        Counted.read += 1
        return reversed(tuple(super().__iter__()))
