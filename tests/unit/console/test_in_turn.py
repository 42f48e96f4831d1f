"""What waits for a role on its first page."""

from typing import Any

from services.console.apis import Part
from services.console.officers.in_turn import SHOWN, TURNS, Turn, named_by, waiting_in
from services.reporting.projection.read_models import READ_MODELS


def case(n: int, *work: tuple[str, str]) -> dict[str, Any]:
    """Return a line of the case list with this work."""
    return {
        "case_id": str(n),
        "work": [{"service": of, "id": f"{n}.{m}", "state": state} for m, (of, state) in enumerate(work)],
    }


def test_every_list_is_of_states_that_its_service_has() -> None:
    """A state that no longer exists would make a list that is always empty."""
    for turn in (turn for turns in TURNS.values() for turn in turns):
        assert set(turn.states) <= {str(state) for state in READ_MODELS[turn.service].states}, turn


def test_the_same_state_of_another_service_is_left_out() -> None:
    """Given a disposal and a conference that both are assessed, then the conference alone waits; a long list is cut."""
    turn = Turn("To prepare", "rj_conference", ("ASSESSED",))
    both = case(1, ("disposal", "ASSESSED"), ("rj_conference", "ASSESSED"))
    found = waiting_in(turn, {"ASSESSED": Part({"cases": [both, case(2, ("disposal", "ASSESSED"))]})})
    assert [(one["case_id"], work["service"]) for one, work in found.lines] == [("1", "rj_conference")]
    assert (found.state, found.more) == ("ASSESSED", False)
    many = waiting_in(turn, {"ASSESSED": Part({"cases": [both] * (SHOWN + 1)})})
    assert (len(many.lines), many.more) == (SHOWN, True)
    assert not waiting_in(turn, {"ASSESSED": Part(notice="no answer")}).lines


def test_a_waiting_disposal_is_named_by_its_own_child() -> None:
    """Given a referral of two suspects, of whom one is an adult, and a disposal of each, then each line has the name of its own; a conference that of the case."""
    of_both = case(
        1,
        ("referral", "WITH_PANEL"),
        ("disposal", "RECOMMENDED"),
        ("disposal", "BREACH_REVIEW"),
        ("rj_conference", "ASSESSED"),
    )
    referral, adult, child, conference = of_both["work"]
    assert [named_by(of_both, work) for work in (adult, child)] == [
        ("disposal", adult["id"]),
        ("disposal", child["id"]),
    ]
    assert named_by(of_both, conference) == ("referral", referral["id"])
