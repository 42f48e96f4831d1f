"""Rights on Kafka follow from the registry of services, and from what each says that it reads."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from ooc.system.running import PARTNER
from services.notifications.webhooks import follow as webhooks
from services.system.kafka_access import accesses, partners, principals
from services.system.registry import DECIDING, SERVICES
from shared.runtime.kafka_grants import GROUP, LITERAL, READ, TOPIC, TRANSACTIONAL_ID, WRITE
from shared.runtime.provision import ProvisionFailed
from shared.servers.kafka import VERIFIER, KafkaLogin, client_options, worker_principal
from shared.servers.settings import Settings


def test_each_topic_has_one_writer() -> None:
    """Every topic of ours is written by the login of the service whose name it bears, and by no other."""
    writers = [(topic, access.principal) for access in accesses() for topic in access.writes]
    assert set(Counter(topic for topic, _ in writers).values()) == {1}
    kinds = {
        entry.name: ("events", "position", "checkpoints") if entry.decides else ("checkpoints",) for entry in SERVICES
    }
    assert dict(writers) == {
        f"ooc.{name}.{kind}": worker_principal(name) for name, of_service in kinds.items() for kind in of_service
    }


def test_a_service_reads_what_it_follows_and_itself() -> None:
    """A service's login reads the events and positions of the services whose topics its declaration names, and its own."""
    by_principal = {access.principal: access for access in accesses()}
    for entry in DECIDING:
        followed = {topic.split(".")[1] for topic in entry.service().consumed_topics} | {entry.name}
        read = by_principal[worker_principal(entry.name)].reads
        assert set(read) == {f"ooc.{name}.{kind}" for name in followed for kind in ("events", "position")}
    assert set(by_principal) == set(principals())


def test_a_partner_is_whoever_has_a_password(tmp_path: Path) -> None:
    """A file `partner_<name>` beside the passwords gives a login that reads what `ooc verify` reads; without one there is none."""
    settings = Settings(kafka_passwords=tmp_path)
    assert partners(Settings(kafka_passwords=None)) == partners(settings) == []
    for file in ("kafka_verify", PARTNER):
        (tmp_path / file).write_text("open sesame", encoding="ascii")
    by_principal = {access.principal: access for access in accesses(partners(settings))}
    partner = by_principal.pop(PARTNER)
    assert set(by_principal) == set(principals())
    assert partner == replace(by_principal[VERIFIER], principal=PARTNER, groups=("wessex_trust",))
    (tmp_path / "partner_wessex_trust.bak").write_text("open sesame", encoding="ascii")
    with pytest.raises(ProvisionFailed, match=r"partner_wessex_trust\.bak is no partner's password: name it partner_"):
        partners(settings)


def test_no_login_has_a_group_or_a_transaction_of_another() -> None:
    """The names under which a login has groups and transactions lead to no other login's."""
    rights = [right for access in accesses([PARTNER]) for right in access.bindings()]
    names = [(right.kind, right.name) for right in rights if right.kind != TOPIC]
    assert len(set(names)) == len(names)
    for access in accesses():
        of_login = Counter((one.kind, one.operation) for one in access.bindings())
        assert of_login[GROUP, READ] == len(access.groups)
        assert of_login[TRANSACTIONAL_ID, WRITE] == any(topic.endswith(".events") for topic in access.writes)
        assert of_login[TOPIC, WRITE] == len(access.writes)
        assert {one.principal for one in access.bindings()} == {f"User:{access.principal}"}


def test_no_login_has_more_groups_or_transactional_ids_than_are_named() -> None:
    """Nothing is granted by the beginning of a name: a login could fill the memory of the brokers with what it makes up."""
    assert {right.pattern for access in accesses([PARTNER]) for right in access.bindings()} == {LITERAL}
    groups = {group for access in accesses([PARTNER]) for group in access.groups}
    reactors = {f"ooc-{entry.name}-reactor" for entry in DECIDING}
    followers = {"ooc-notifications", f"ooc-notifications-{webhooks.CONSUMER}"}
    assert groups == {*reactors, "ooc-reporting", *followers, "wessex_trust"}
    transactions = {name for access in accesses() for name in access.transactions}
    assert transactions == {f"ooc-{entry.name}-relay" for entry in DECIDING}


def test_a_login_may_have_another_name_than_its_password(tmp_path: Path) -> None:
    """Given OOC_KAFKA_LOGIN, a process logs in by that name, with the password of its principal."""
    (tmp_path / "kafka_rj_conference").write_text("open sesame", encoding="ascii")
    settings = Settings(kafka="kafka:9093", kafka_passwords=tmp_path)
    named = settings.model_copy(update={"kafka_login": "kafka-rj-conference"})
    principal = worker_principal("rj_conference")
    assert named.kafka_as(principal) == KafkaLogin("kafka:9093", "kafka-rj-conference", "open sesame")
    assert settings.kafka_as(principal) == KafkaLogin("kafka:9093", principal, "open sesame")


def test_a_password_is_shown_to_nobody() -> None:
    """The text of a login, as a log or a fault would show it, does not contain its password."""
    login = KafkaLogin("kafka:9092", "kafka_referral", "open sesame")
    assert "sesame" not in repr(login)
    assert client_options(login)["sasl_plain_password"] == "open sesame"
    assert client_options("kafka:9092") == {"bootstrap_servers": "kafka:9092"}
