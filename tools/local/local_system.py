"""A whole system on one machine: PostgreSQL, Kafka and an identity provider, and whatever is to run on them.

What the environment names (OOC_DATABASE_URL, OOC_KAFKA, OOC_ISSUER) is used; the rest is started here.
"""

import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tools.local import kafka, postgres
from tools.local.data_dir import require_disk_space
from tools.local.ports import HOST, Ports
from tools.local.readiness import http_ok
from tools.local.supervisor import Listener, Process, Supervisor, until_signalled

ISSUER: Final = "issuer"


@dataclass(frozen=True)
class Addresses:
    """The directory of a local system (data, keys, logs), its ports, and the addresses of its servers."""

    var: Path
    ports: Ports
    database_url: str
    """PostgreSQL, as a superuser."""
    kafka: str
    issuer: str

    def environment(self) -> dict[str, str]:
        return {
            "OOC_MODE": "local",
            "OOC_VAR": str(self.var),
            "OOC_DATABASE_URL": self.database_url,
            "OOC_KAFKA": self.kafka,
            "OOC_ISSUER": self.issuer,
        }


class Interrupted(RuntimeError):
    """A signal came before the system was up; nothing runs any more."""


Extra = Callable[[Addresses], Sequence[Process]]
"""What is to run on the servers, made when their addresses are known. It comes after them by naming SERVERS."""

NAMED_BY: Final = {postgres.NAME: "OOC_DATABASE_URL", kafka.NAME: "OOC_KAFKA", ISSUER: "OOC_ISSUER"}
"""The variable that names a server that is there already, so that none is started."""

SERVERS: Final = tuple(NAMED_BY)


def own_servers(environment: Mapping[str, str]) -> list[str]:
    return [server for server, variable in NAMED_BY.items() if not environment.get(variable)]


@contextlib.asynccontextmanager
async def local_system(
    var: Path,
    base_port: int | None = None,
    extra: Extra = lambda _: (),
    *,
    listener: Listener | None = None,
    imports: Collection[str] = (),
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Addresses]:
    """Run the servers and `extra` in `var` as long as the body runs; a signal ends the body, quietly, and then everything.

    Every process is told the addresses by its environment. A process of `extra` may name in `after` a server that
    the environment provides: then there is nothing to wait for. `listener` and `imports` are those of Supervisor;
    `environment` is instead of this process's own. Raises `CannotStart`, or `Interrupted` by an early signal.
    """
    environment = os.environ if environment is None else environment
    ports = Ports.from_environment() if base_port is None else Ports(base_port)
    var = var.absolute()
    addresses = Addresses(
        var=var,
        ports=ports,
        database_url=environment.get("OOC_DATABASE_URL") or postgres.dsn(ports.postgres),
        kafka=environment.get("OOC_KAFKA") or f"{HOST}:{ports.kafka}",
        issuer=environment.get("OOC_ISSUER") or f"http://{HOST}:{ports.issuer}",
    )
    require_disk_space(var)
    made = {
        postgres.NAME: lambda: postgres.process(var / "postgres", ports.postgres),
        kafka.NAME: lambda: kafka.process(var / "kafka", ports.kafka, ports.kafka_controller, closed=True),
        ISSUER: lambda: _issuer(addresses),
    }
    own = own_servers(environment)
    provided = set(SERVERS) - set(own)
    processes = [
        replace(
            process,
            env={**addresses.environment(), **process.env},
            after=[name for name in process.after if name not in provided],
        )
        for process in (*(made[server]() for server in own), *extra(addresses))
    ]
    up = False
    async with until_signalled(), Supervisor(var, processes, listener=listener, imports=imports):
        up = True
        yield addresses
    if not up:
        raise Interrupted("a signal came before the system was up: the body didn't yield, nothing runs any more")


def _issuer(addresses: Addresses) -> Process:
    return Process(
        name=ISSUER,
        argv=[sys.executable, "-m", "tools.local.issuer"],
        env={"OOC_PORT": str(addresses.ports.issuer)},
        ready=http_ok(f"{addresses.issuer}/.well-known/openid-configuration"),
        ports=(addresses.ports.issuer,),
    )
