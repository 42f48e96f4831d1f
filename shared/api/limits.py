"""The limits of an API, as it publishes them in `info` of its OpenAPI document, and the reference on a page."""

from dataclasses import dataclass

from shared.api.authentication import LONGEST_SECONDS
from shared.api.connections import ConnectionLimits
from shared.api.rates import AT_ONCE, BURST_SECONDS, SMALL_BYTES
from shared.servers.settings import Settings


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit, its value, and what it bounds, with the unit."""

    name: str
    value: float
    meaning: str


def limits_of(settings: Settings) -> list[Limit]:
    actor, address = settings.rates
    connections = ConnectionLimits.of(settings)
    limits = (
        ("actor_rate", actor, "Requests a second of one `sub` to one process of an API; more get 429."),
        ("small_bytes", actor and SMALL_BYTES, "A body counts there once more with each of these bytes."),
        (
            "address_rate",
            address,
            "Requests a second without a token from one address (IPv6: one /64 network); more get 429.",
        ),
        ("burst_seconds", BURST_SECONDS, "A burst may have as many requests as these seconds of its rate."),
        ("at_once", AT_ONCE, "Requests of one `sub` that are worked on at once; others wait. Only with a rate."),
        ("body_bytes", settings.body_limit, "The largest body of a command."),
        ("connections", connections.total, "Connections to one process; more get 503."),
        ("connections_per_address", connections.per_address, "The same from one address."),
        ("head_seconds", connections.head_seconds, "Until the head of a request has come."),
        ("body_seconds", connections.body_seconds, "Until its body has come."),
        ("read_seconds", connections.read_seconds, "The longest pause in reading a long answer."),
        ("token_seconds", LONGEST_SECONDS, "The longest lifetime of an access token."),
    )
    return [Limit(name, value, meaning) for name, value, meaning in limits if value is not None]
