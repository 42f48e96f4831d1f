"""What is written: short, plain, in the person's language, and never why."""

from dataclasses import replace
from pathlib import Path

import pytest
from icalendar import Calendar

from services.notifications.plan import Message
from services.notifications.rendering import ENGLISH, METHODS, WELSH, invitation, render, render_digest, templates
from services.notifications.table import TABLE, AccountTemplate
from services.trade.vocabulary import IncidentType, MessageTemplate, Topic
from tests.reading_age import reading_age
from tests.unit.notifications.case_events import CHILD, MOTHER, family

NAMES = [name for name in templates(ENGLISH) if name != "words"]
OF_MANY = {"SEVERAL", "OFFICER_DIGEST"}
LONGEST_TEXT = 306
"""Characters of a text message in two parts."""


def booked(template: str = "PLACE_BOOKED", recipient: object = CHILD) -> Message:
    case = family()
    case.session()
    case.booked()
    return replace(next(one for one in case.plan() if one.recipient == recipient), template=template)


def test_every_line_of_the_table_has_its_text_and_there_is_no_other() -> None:
    """The templates are those of the table, and the head of several at once."""
    told = {str(line.template) for line in TABLE} | OF_MANY
    assert set(NAMES) >= told, f"services/notifications/templates/en.toml: write {sorted(told - set(NAMES))}"
    named = {*NAMES, *(str(code) for code in (*MessageTemplate, *AccountTemplate))}
    assert named <= told, f"services/notifications/table.py: give a Line to {sorted(named - told)}"


@pytest.mark.parametrize("template", [name for name in NAMES if name not in OF_MANY])
def test_a_child_of_nine_could_read_it(template: str) -> None:
    """Given a message as it is sent, then it is read at nine, fits into two texts, and names no topic and no incident."""
    for recipient in (CHILD, MOTHER):
        message = booked(template, recipient)
        text = render([message], {message.record: "The Hall"}, welsh=False)
        assert reading_age(text.body.replace(":30", "")) <= 9, text.body
        assert len(text.body) <= LONGEST_TEXT
        words = f"{text.subject} {text.body}".upper().replace(" ", "_")
        assert not [code for code in (*Topic, *IncidentType) if code.value in words and code.value != "OTHER"]
        assert "{" not in text.body


def test_the_words_say_when_where_and_whom_to_ring() -> None:
    """Given a place on a summer's day, then its day and hour are those of London."""
    message = booked()
    assert render([message], {message.record: "The Hall, Merrow"}, welsh=False).body == (
        "You have a place with us on Thursday 11 June at 16:30. Where: The Hall, Merrow."
        " If you can't come, please ring us on 01632 960200."
    )


def test_welsh_is_written_where_it_is_translated() -> None:
    """Given somebody who prefers Welsh, then a translated text is Welsh; another one, or a parent's, is English."""
    message, missed, mother = booked(), booked("PLACE_MISSED"), booked(recipient=MOTHER)
    languages = [render([one], {}, welsh=True).language for one in (message, missed, mother)]
    assert languages == [WELSH, ENGLISH, ENGLISH]
    assert "dydd Iau 11 Mehefin" in render([message], {}, welsh=True).body


def test_several_are_one_message() -> None:
    """Given two things that fall due together, then they are one text, under its own template."""
    message = booked()
    text = render([message, booked("PLACE_REMINDER")], {message.record: "The Hall"}, welsh=False)
    assert text.template == "SEVERAL"
    assert text.body.count("The Hall") == 2


def test_an_officer_reads_numbers_alone() -> None:
    """Given cases that cannot wait, then the reminder has their numbers under what each waits for, and no empty line."""
    cases = [str(CHILD), str(MOTHER)]
    text = render_digest({"overdue": cases, "breach_referred": [], "mash_answer_due": cases[:1]})
    assert text.body.splitlines()[1:] == [
        f"Overdue: {cases[0][:8]}, {cases[1][:8]}.",
        f"MASH's answer is due: {cases[0][:8]}.",
    ]
    assert render_digest({}).body.endswith("Nothing now.")


@pytest.mark.parametrize(("template", "method"), METHODS.items())
def test_an_invitation_says_when_and_where_and_nothing_else(template: str, method: str) -> None:
    """Given a message that changes a diary, then its invitation has the method, the sequence, and no reason (RFC 5546)."""
    message = booked(template)
    sent = invitation(message, "The Hall", "us@example.org", "robin@example.org")
    assert sent is not None
    calendar = Calendar.from_ical(sent)
    (event,) = calendar.walk("VEVENT")
    assert (calendar["method"], event.decoded("sequence"), event["summary"]) == (
        method,
        message.sequence,
        "Appointment",
    )
    assert event["status"] == ("CANCELLED" if method == "CANCEL" else "CONFIRMED")
    assert event.decoded("dtstart") == message.moment
    moved = invitation(replace(message, sequence=9), None, "us@example.org", "robin@example.org")
    assert moved is not None
    assert Calendar.from_ical(moved).walk("VEVENT")[0]["uid"] == event["uid"]


def test_a_reminder_changes_no_diary() -> None:
    """Given a reminder, then no second invitation comes with it."""
    assert invitation(booked("PLACE_REMINDER"), None, "us@example.org", "robin@example.org") is None


def test_the_texts_of_both_languages_fill_in_the_same() -> None:
    """Given a text in Welsh, then it has the places of the English one, and its file only templates that exist."""
    welsh = templates(WELSH)
    assert set(welsh) <= set(templates(ENGLISH))
    for name in set(welsh) - {"words"}:
        for field in ("{day}", "{time}", "{place}", "{phone}"):
            assert (field in welsh[name]["text"]) == (field in templates(ENGLISH)[name]["text"])
    assert Path("services/notifications/templates/cy.toml").exists()
