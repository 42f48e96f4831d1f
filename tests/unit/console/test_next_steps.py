"""What can happen next, as the console shows it: from a guidance answer to a list of tasks."""

from typing import Any

from services.console.forms.next_steps import steps_of, work_of


def rule(id_: str, answer: str, *, kind: str = "forbids", changes_on: str | None = None) -> dict[str, Any]:
    return {
        "id": id_,
        "kind": kind,
        "answer": answer,
        "text": f"The text of {id_}.",
        "source": "an Act",
        "lifted_by": [],
        "fields": [],
        "changes_on": changes_on,
        "broken_by": {},
        "for_the_day": None,
    }


def command(type_: str, status: str, *rules: dict[str, Any]) -> dict[str, Any]:
    return {"type": type_, "status": status, "purpose": "About it", "begins": False, "fields": [], "rules": list(rules)}


def test_steps_stand_in_the_order_of_what_can_be_done() -> None:
    """Given commands of every status, when they are listed, then the possible come first, with a form, and each has its words."""
    steps = steps_of(
        {
            "commands": [
                command("Never", "refused", rule("R1", "broken")),
                command("Later", "refused", rule("R2", "broken", changes_on="2027-01-02")),
                command("Depends", "depends", rule("R3", "depends")),
                command("Warned", "needs_rationale", rule("R4", "broken", kind="warns")),
                command("Free", "available"),
            ]
        },
        {"Free": "A title of its own"},
    )
    assert [(step.title, step.label, step.is_open) for step in steps.shown] == [
        ("A title of its own", "Can be done", True),
        ("Warned", "Needs a reason", True),
        ("Depends", "Depends on answers", True),
        ("Later", "Not before 2 January 2027", False),
        ("Never", "Not allowed", False),
    ]
    assert not steps.out_of_place


def test_a_refusal_names_its_rule_and_its_source_once() -> None:
    """Given a rule that is named twice, when the step is shown, then its text and source stand there once, with the day."""
    twice = rule("R2", "broken", changes_on="2027-01-02")
    (step,) = steps_of({"commands": [command("Later", "refused", twice, twice)]}, {}).shown
    (reason,) = step.reasons
    assert (reason.rule, reason.text, reason.source, reason.until) == (
        "R2",
        "The text of R2.",
        "an Act",
        "Until 2 January 2027",
    )


def test_what_the_state_alone_refuses_stands_apart() -> None:
    """Given a command that does not belong to the state, when steps are listed, then it is in no one's way."""
    steps = steps_of({"commands": [command("Elsewhere", "refused", rule("S1", "broken", kind="state"))]}, {})
    assert not steps.shown
    assert [step.type for step in steps.out_of_place] == ["Elsewhere"]


def test_a_day_that_lifts_several_rules_is_the_last_of_them() -> None:
    """Given two rules that later days lift, when the step is shown, then it is possible from the later one."""
    rules = (rule("R1", "broken", changes_on="2027-03-01"), rule("R2", "broken", changes_on="2027-01-02"))
    (step,) = steps_of({"commands": [command("Later", "refused", *rules)]}, {}).shown
    assert step.label == "Not before 1 March 2027"


def task(title: str, progress: str, *commands: str, **more: Any) -> dict[str, Any]:
    line = {"title": title, "progress": progress, "commands": list(commands), "roles": ["YJS_CASE_MANAGER"]}
    return {
        **line,
        "about": {},
        "items": [],
        "due": None,
        "overdue": False,
        "waits_for": [],
        "lifted_by": [],
        "duty": "",
        **more,
    }


def test_a_task_leads_to_its_form_only_for_who_may_send_it_now() -> None:
    """Given tasks, then one that the role may record has an address with what is known; one of another's turn says whose it is."""
    mine = task("Book a session", "not_started", "Book", about={"condition_id": "c1"}, items=["c1"], due="2026-05-01")
    theirs = task("Give it", "not_started", "Give")
    done = task("Agree", "completed", "Book")
    guidance = {
        "commands": [command("Book", "depends")],
        "next": mine,
        "journeys": [{"title": "Prepare", "tasks": [mine, theirs, done]}],
    }
    work = work_of(guidance, "/records/disposals/d1", "k1", {"c1": "Retail workshop"}, {})
    ((title, tasks),) = work.journeys
    assert (title, work.next) == ("Prepare", tasks[0])
    assert (tasks[0].about, tasks[0].status, tasks[0].address) == (
        "Retail workshop",
        "Not started",
        "/records/disposals/d1/do/Book?case=k1&condition_id=c1",
    )
    assert (tasks[1].address, tasks[1].whose) == ("", ["YJS case manager"])
    assert (tasks[2].address, tasks[2].status) == ("", "Completed")


def test_a_refusal_leads_to_the_command_that_lifts_it() -> None:
    """Given a refusal with two remedies, of which the person may send one, then the step and the task that waits lead to its form, and to no other."""
    refused = {**rule("R6", "broken"), "lifted_by": ["Confirm", "Sign"]}
    waiting = task("Give it", "cannot_start", "Give", waits_for=["The text of R6."], lifted_by=["Confirm", "Sign"])
    guidance = {
        "commands": [command("Give", "refused", refused), command("Sign", "available"), command("Confirm", "refused")],
        "next": None,
        "journeys": [{"title": "Prepare", "tasks": [waiting]}],
    }
    titles = {"Sign": "Sign the paper"}
    give = next(step for step in steps_of(guidance, titles).shown if step.type == "Give")
    (line,) = work_of(guidance, "/records/disposals/d1", "k1", {}, titles).tasks
    for remedies in (give.reasons[0].remedies, line.remedies):
        assert [(remedy.title, remedy.page) for remedy in remedies] == [("Sign the paper", "do/Sign")]


def test_other_commands_stand_by_what_they_are_about() -> None:
    """Given commands of two purposes, when they are listed, then each stands under its own, the possible first."""
    listed = [command("Late", "refused", rule("R1", "broken")), {**command("End", "available"), "purpose": "Ending it"}]
    groups = steps_of({"commands": [*listed, command("Note", "available")]}, {}).by_purpose
    assert {purpose: [step.type for step in steps] for purpose, steps in groups.items()} == {
        "Ending it": ["End"],
        "About it": ["Note", "Late"],
    }


def test_a_duty_is_met_by_the_task_of_its_item() -> None:
    """Given two tasks of one kind of duty, then each meets the duty of its own item alone, and a duty without one is met by either."""
    tasks = [
        task("Warn", "not_started", "Warn", duty="WARNING", items=[item], about={"session_id": item})
        for item in ("s1", "s2")
    ]
    guidance = {"commands": [command("Warn", "available")], "journeys": [{"title": "Follow", "tasks": tasks}]}
    work = work_of(guidance, "/records/disposals/d1", "k1", {"s2": "Workshop"}, {})
    assert [one.meets("WARNING", "s2") for one in work.tasks] == [False, True]
    assert [one.meets("WARNING", None) for one in work.tasks] == [True, True]
    assert not work.tasks[1].meets("CONTACT", "s2")
    assert work.tasks[1].about == "Workshop"
