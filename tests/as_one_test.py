"""One test of many cases: to collect and report a case takes pytest longer than most cases take."""

import functools
import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import pytest

Test = Callable[..., None]
Ids = Callable[[Any], object] | Sequence[str] | Mapping[str, object] | None

_Param: Final = type(pytest.param())


def as_one_test(test: Test) -> Test:
    """Run a test with each case of its marks `parametrize`, and raise together what failed, each with the id of its case."""
    marks = test.pytestmark  # type: ignore[attr-defined]
    tables = [list(_cases(*mark.args, **mark.kwargs)) for mark in marks if mark.name == "parametrize"]
    cases = list(itertools.product(*tables))
    assert cases

    @functools.wraps(test)
    def every_case(**fixtures: Any) -> None:
        failed: list[BaseException] = []
        for case in cases:
            try:
                test(**fixtures, **{name: value for _, values in case for name, value in values.items()})
            except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - it is raised below
                error.add_note(f"Case: {'-'.join(named for named, _ in case)}")
                failed.append(error)
        if failed:
            raise BaseExceptionGroup(f"{len(failed)} of {len(cases)} cases", failed)

    given = {name for _, values in cases[0] for name in values}
    signature = inspect.signature(test)
    fixtures = [parameter for name, parameter in signature.parameters.items() if name not in given]
    every_case.pytestmark = [mark for mark in marks if mark.name != "parametrize"]  # type: ignore[attr-defined]
    every_case.__signature__ = signature.replace(parameters=fixtures)  # type: ignore[attr-defined]
    return every_case


def _cases(names: str | Sequence[str], rows: Iterable[Any], *, ids: Ids = None) -> Iterator[tuple[str, dict[str, Any]]]:
    names = [names] if isinstance(names, str) else names
    listed = iter(() if ids is None or callable(ids) else ids)
    name_of = ids if callable(ids) else lambda value: getattr(value, "__name__", value)
    for row in rows:
        values = row.values if isinstance(row, _Param) else row if len(names) > 1 else (row,)
        own = row.id if isinstance(row, _Param) else next(listed, None)
        named = str(own or "-".join(f"{name_of(value)!s:.200}" for value in values))
        yield named, dict(zip(names, values, strict=True))
