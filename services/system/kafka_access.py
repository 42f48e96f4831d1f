"""Who may do what on Kafka: derived from the registry of services and from what each of them says that it reads.

Each service's worker has a login. Its relay and its signer write that service's topics, which nobody else may; its consumer
reads the topics of the services that it follows. `ooc verify` reads all. A follower reads events and positions.

A partner, another agency whose program reads the events, has a password `partner_<name>` beside ours. It reads what
`ooc verify` reads, and has one group, called by its name. The system has none of its own: a login can stop a small broker
(SECURITY.md).
"""

import re
from collections.abc import Iterable
from typing import Final

from aiokafka.admin import NewTopic

from services.system.registry import DECIDING, FOLLOWERS, SERVICES
from shared.runtime.kafka_grants import KafkaAccess, grant_access
from shared.runtime.provision import ProvisionFailed, provision_topics, topics_of
from shared.servers.kafka import PROVISIONER, VERIFIER, KafkaLogin, worker_principal
from shared.servers.settings import Settings

NAMESPACE: Final = "ooc"
PARTNER_PREFIX: Final = "partner_"
"""How the login of a partner's program begins."""


def principals() -> tuple[str, ...]:
    services = (worker_principal(name) for name in (*(entry.name for entry in SERVICES), *FOLLOWERS))
    return (*services, VERIFIER)


def partners(settings: Settings) -> list[str]:
    """Return the logins of the partners' programs: those that have a password. Raises `ProvisionFailed`."""
    folder = settings.kafka_passwords
    if folder is None:
        return []
    names = sorted(file.name for file in folder.glob(f"{PARTNER_PREFIX}*"))
    for name in names:
        if not re.fullmatch(r"[a-z0-9_]+", name):
            raise ProvisionFailed(
                f"{folder / name} is no partner's password: name it {PARTNER_PREFIX} and small letters, digits or _"
            )
    return names


def accesses(partners: Iterable[str] = ()) -> list[KafkaAccess]:
    """Return the rights of every login: of the workers, of verification, and of these partners' programs."""
    every = [entry.name for entry in DECIDING]
    logs = _topics([entry.name for entry in SERVICES], "checkpoints")
    granted = []
    for entry in SERVICES:
        follows = [topic.split(".")[1] for topic in entry.service().consumed_topics] if entry.decides else every
        own = [entry.name] if entry.decides else []
        name = f"{NAMESPACE}-{entry.name}"
        granted.append(
            KafkaAccess(
                worker_principal(entry.name),
                reads=_topics({*follows, *own}, "events", "position"),
                writes=(*_topics(own, "events", "position"), *_topics([entry.name], "checkpoints")),
                groups=(f"{name}-reactor" if own else name,),
                transactions=(f"{name}-relay",) if own else (),
            )
        )
    followed = _topics(every, "events", "position")
    granted += [
        KafkaAccess(worker_principal(name), followed, groups=(f"{NAMESPACE}-{name}", f"{NAMESPACE}-{name}-webhooks"))
        for name in FOLLOWERS
    ]
    granted.append(KafkaAccess(VERIFIER, (*followed, *logs)))
    granted += [
        KafkaAccess(partner, (*followed, *logs), groups=(partner.removeprefix(PARTNER_PREFIX),)) for partner in partners
    ]
    return granted


def declared_topics(replication: int) -> list[NewTopic]:
    return topics_of(*_services(), NAMESPACE, replication)


async def provision_kafka(settings: Settings) -> None:
    """Create every topic, and if Kafka asks for passwords give each login its password and its rights.

    Returns when every broker lets every login in. Raises `ProvisionFailed` and `NoPassword`.
    """
    await provision_topics(settings, *_services(), NAMESPACE)
    provisioner = settings.kafka_as(PROVISIONER)
    if isinstance(provisioner, KafkaLogin):
        await grant_access(provisioner, accesses(partners(settings)), settings.kafka_password_of)


def _services() -> tuple[list[str], list[str]]:
    """Return the services with an event store, and those without."""
    return [entry.name for entry in DECIDING], [entry.name for entry in SERVICES if not entry.decides]


def _topics(services: Iterable[str], *kinds: str) -> tuple[str, ...]:
    return tuple(f"{NAMESPACE}.{service}.{kind}" for service in sorted(services) for kind in kinds)
