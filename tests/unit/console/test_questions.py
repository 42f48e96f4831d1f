"""A report is asked in the words of who reports."""

from datetime import UTC, datetime

from services.console.schools.questions import known_to, questions_for

NOW = datetime(2026, 4, 14, 9, tzinfo=UTC)


def test_who_also_works_at_a_school_is_asked_as_a_school() -> None:
    """Given a person for whom SCHOOL is not the first role, when they report, then they are asked as a school, and no other is."""
    assert questions_for(["RJ_FACILITATOR", "SCHOOL"]) == questions_for(["SCHOOL"])
    assert len(questions_for(["SAFE_SCHOOLS_OFFICER"])) == len(questions_for(["SCHOOL"])) + 2
    assert known_to(["RJ_FACILITATOR", "SCHOOL"], "113867", NOW)["school_urn"] == ["113867"]
    assert known_to(["RJ_FACILITATOR"], "113867", NOW) == {}
