"""Who may do what on Kafka: derived from the registry of services and from what each of them says that it reads.

Each service's worker has a login. Its relay and its signer write that service's topics, which nobody else may; its consumer
reads the topics of the services that it follows. `ooc verify` reads all. A follower reads events and positions. A partner's
program reads checkpoints too, and has one group, called by the partner's name.
"""

from collections.abc import Iterable
from typing import Final

from aiokafka.admin import NewTopic

from services.registry import DECIDING, FOLLOWERS, PARTNERS, SERVICES
from shared.kafka import PROVISIONER, VERIFIER, KafkaLogin, worker_principal
from shared.runtime.kafka_grants import KafkaAccess, grant_access
from shared.runtime.provision import provision_topics, topics_of
from shared.settings import Settings

NAMESPACE: Final = "ooc"


def partner_principal(partner: str) -> str:
    """Return the name of the login of a partner's program, `partner_` and the partner's name."""
    return f"partner_{partner}"


def principals() -> tuple[str, ...]:
    """Return every login that is given a password and rights."""
    services = (worker_principal(name) for name in (*(entry.name for entry in SERVICES), *FOLLOWERS))
    return (*services, VERIFIER, *map(partner_principal, PARTNERS))


def accesses() -> list[KafkaAccess]:
    """Return the rights of every login: of the workers, of verification, and of the partners' programs."""
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
    granted += [KafkaAccess(partner_principal(partner), (*followed, *logs), groups=(partner,)) for partner in PARTNERS]
    return granted


def declared_topics(replication: int) -> list[NewTopic]:
    return topics_of(*_services(), NAMESPACE, replication)


async def provision_kafka(settings: Settings) -> None:
    """Create every topic, and where Kafka asks for passwords give each login its password and its rights.

    Returns when every broker lets every login in. Raises `ProvisionFailed` and `NoPassword`.
    """
    await provision_topics(settings, *_services(), NAMESPACE)
    provisioner = settings.kafka_as(PROVISIONER)
    if isinstance(provisioner, KafkaLogin):
        await grant_access(provisioner, accesses(), settings.kafka_password_of)


def _services() -> tuple[list[str], list[str]]:
    """Return the services with an event store, and those without."""
    return [entry.name for entry in DECIDING], [entry.name for entry in SERVICES if not entry.decides]


def _topics(services: Iterable[str], *kinds: str) -> tuple[str, ...]:
    return tuple(f"{NAMESPACE}.{service}.{kind}" for service in sorted(services) for kind in kinds)
