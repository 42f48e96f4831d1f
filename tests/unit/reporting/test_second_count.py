"""The pack of made-up children, counted by the measures from folded histories, and a second time from the JSON of their events."""

from datetime import date

import pytest

from services.reporting.measures.pack import PARTS
from tests.in_memory_reporting import measure_facts
from tests.unit.reporting.made_up_children import MadeUp, facts_of
from tests.unit.reporting.second_count import SecondCount

COUNTED_ELSEWHERE = {"kpi8", "outcomes"}
"""KPI 8 counts no event; outcomes are the Home Office's."""
QUARTERS = [(date(2026, 4, 1), date(2026, 6, 30)), (date(2026, 7, 1), date(2026, 9, 30))]


@pytest.mark.parametrize(("seed", "children"), [(1, 150), (2, 150), pytest.param(3, 2000, marks=pytest.mark.nightly)])
def test_a_second_count_of_made_up_children_gives_each_cell(seed: int, children: int) -> None:
    """Given children with events drawn at random, when the pack is counted twice, then every cell is the same, and few are zero."""
    made_up = MadeUp(seed)
    for _ in range(children):
        made_up.child()
    histories = list(facts_of(made_up.histories))
    for first, last in QUARTERS:
        pack = measure_facts("pack", histories, first, last)
        again = SecondCount(made_up.histories, first, last)
        assert set(PARTS) - COUNTED_ELSEWHERE <= {name for name in dir(again) if name in pack}
        for name in PARTS.keys() - COUNTED_ELSEWHERE:
            found = {
                key: value
                for key, value in pack[name].items()
                if key not in {"definition_version", "target", "by_quarter"}
            }
            assert found == getattr(again, name)(), f"{name} of {first}"
            assert len([n for n in found.values() if isinstance(n, int) and n]) > 1, f"{name}: the children say little"
