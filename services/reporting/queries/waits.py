"""What waits in reporting itself: streams in quarantine, whose records lag behind in cases and lists."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from services.reporting.dependencies import Dependencies
from services.reporting.projection.fold import split
from services.reporting.projection.projector import read_or_none
from services.reporting.projection.snapshot import Pool
from services.reporting.queries.asking import ask, ask_for_reader
from services.reporting.queries.visibility import Reader, visible
from shared.api.request import Caller, read_reason
from shared.api.routes import declared
from shared.api.waits import PARAMETERS, Waits, read_home, waits_page, waits_target
from shared.messaging.waits import StandingWait, held_waits

_ENDS: Final = f"""
    select s.service, s.stream, s.home, s.cases from stream as s
    where (s.home = any($1::uuid[]) or (s.service, s.stream) in (select * from unnest($2::text[], $3::uuid[])))
      and {visible(5)} and not s.service = any($4::text[])
"""  # noqa: S608 - the clause above, and no value


def add_waits(app: FastAPI) -> None:
    @app.get("/v1/waits", tags=["cases"], response_model=Waits, **declared(PARAMETERS))
    async def waits(request: Request, actor: Caller) -> JSONResponse:
        """List the streams whose events are in quarantine here, longest first, as far as the reader may read their cases."""
        at: Dependencies = request.app.state.deps
        home = read_home(request)
        await at.gate.read(actor, "cases", waits_target("reporting", home), read_reason(request))
        reader = await ask_for_reader(at.database, actor)
        listed = await ask(lambda: list_waits(at.database, reader, home))

        async def is_shown(_: StandingWait) -> bool:
            return True

        return await waits_page(request, listed, is_shown)


async def list_waits(pool: Pool, reader: Reader, home: UUID | None = None) -> Sequence[StandingWait]:
    """List what waits, longest first, if the reader may read the whole state of a record of its home: all, or of a home."""
    held = sorted(await held_waits(pool, "reporting", read_or_none), key=lambda wait: wait.place)
    if not held:
        return ()
    streams = [(name, UUID(id_)) for name, _, id_ in (wait.wait.source.partition("/") for wait in held)]
    ends = await pool.fetch(
        _ENDS, [wait.home for wait in held], *split(streams), list(reader.limited), *reader.reach("state").parameters
    )
    shown = []
    for wait, stream in zip(held, streams, strict=True):
        rows = [row for row in ends if row["home"] == wait.home or (row["service"], row["stream"]) == stream]
        if rows:
            shown.append(replace(wait, homes=frozenset(case for row in rows for case in row["cases"])))
    return [wait for wait in shown if wait.concerns(home)]
