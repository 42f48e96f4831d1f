"""Where the system is: said on the command line, in the environment, or written down by `ooc up`."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from services.system import registry

SERVICES: Final = tuple(entry.name for entry in registry.SERVICES)

VAR: Final = Path(os.environ.get("OOC_VAR", "var"))
"""Where the local system keeps its data, and `system.json` its addresses."""


class NoSystem(Exception):
    """No system was found, or its addresses make no sense: says what to do."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """The issuer of tokens, if one is known, and a base URL for each service."""

    issuer: str | None
    services: Mapping[str, str]

    @property
    def watched(self) -> Sequence[str]:
        """What answers monitoring: the services, and each follower whose address is known."""
        return (*SERVICES, *(name for name in registry.FOLLOWERS if name in self.services))

    def of(self, service: str) -> str:
        """Return a service's base URL, without a slash at its end; raises `NoSystem`."""
        if service not in self.services:
            raise NoSystem(
                f"No address of {service} is known: give --url {service}=http://…, or start the system with `ooc up`."
            )
        return self.services[service]


def find_addresses(urls: Sequence[str] = (), environment: Mapping[str, str] = os.environ, var: Path = VAR) -> Addresses:
    """Return the addresses by --url, else by OOC_URL, else by var/system.json; the issuer by OOC_ISSUER, else by the file.

    A URL is written SERVICE=http://host:port, or alone, as that of a gateway with a service under each name.
    """
    noted = written(var)
    addresses = [*urls] or environment.get("OOC_URL", "").split()
    issuer = environment.get("OOC_ISSUER") or (noted.get("issuer") if noted else None)
    if not addresses and noted is None:
        raise NoSystem(
            f"No system was found in {var.absolute()}: start one with `ooc up`. If one runs, name its data directory"
            " (OOC_VAR=/its/folder/var), or its addresses (--url)."
        )
    services: dict[str, str] = dict(noted["services"]) if noted else {}
    for url in addresses:
        name, named, address = url.partition("=")
        if not named:
            services = {service: f"{_checked(url)}/{service}" for service in SERVICES} | {
                key: value for key, value in services.items() if key not in SERVICES
            }
        elif name in (*SERVICES, *registry.FOLLOWERS):
            services[name] = _checked(address)
        else:
            raise NoSystem(f"--url {url}: there is no service {name!r}; the services are {', '.join(SERVICES)}.")
    return Addresses(issuer, services)


def _checked(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise NoSystem(f"{url!r} is no address: write http://host:port, or SERVICE=http://host:port.")
    return url.rstrip("/")


def written(var: Path) -> dict[str, Any] | None:
    """Read the addresses that `ooc up` wrote for the system that it started, None if there are none. Raises `NoSystem`."""
    file = var / "system.json"
    try:
        noted: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        dict(noted["services"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise NoSystem(f"{file} cannot be read: stop the system, remove the file and start `ooc up` again.") from None
    return noted
