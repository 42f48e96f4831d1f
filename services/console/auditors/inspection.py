"""The page for inspectors, as a PDF: every measure of a period, the frozen returns, the last verification, the checkpoints.

It names no child: it holds numbers, hashes and days.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.console.analysts.returns import measure_name, measures_of, period_of, table_of
from services.console.apis import Part, part_of
from services.console.auditors.audit import latest_checkpoints, report_faults
from services.console.auditors.proofs import CheckedCheckpoint
from services.console.documents import print_inspection
from services.console.routing import console_of, read_day
from services.console.sessions import Session
from services.console.words import day, in_words, moment


async def inspection_file(request: Request, session: Session) -> Response:
    """Return the page for inspectors as PDF."""
    apis, period = console_of(request).apis, period_of(request)
    name = name_of(period)
    names, measures = await measures_of(apis, session, period)
    if all(part.status == 403 for part in measures):
        raise HTTPException(403, measures[0].notice)
    frozen, verification, (logs, _) = await asyncio.gather(
        part_of(apis.get(session, "reporting", "/v1/returns")),
        part_of(apis.get(session, "reporting", "/v1/verifications/latest")),
        latest_checkpoints(request, session),
    )
    made_at = datetime.now(UTC)
    values = {
        "period": f"{day(period['from'])} to {day(period['to'])}",
        "made": moment(made_at.isoformat()),
        "by": in_words(session.role),
        "measures": [_measure(name, part) for name, part in zip(names, measures, strict=True)],
        "frozen": [_frozen(item) for item in (frozen.value or {"returns": ()})["returns"] if _touches(item, period)],
        "verification": await asyncio.to_thread(_verification, verification.value) if verification.value else None,
        "unverified": verification.notice,
        "checkpoints": [_checkpoint(title, log, part) for title, log, part in logs],
    }
    printed = await asyncio.to_thread(print_inspection, values, made_at)
    disposition = f'inline; filename="{name}"'
    return Response(printed, media_type="application/pdf", headers={"Content-Disposition": disposition})


def name_of(period: Mapping[str, str]) -> str:
    """Return the name of the file. Raises `HTTPException` 422 if an address has another text for a day: it would stand on the page."""
    if not all(map(read_day, period.values())):
        raise HTTPException(422, "Give the first and the last day of the period, such as 30 9 2026.")
    return f"inspection-{period['from']}-{period['to']}.pdf"


def _measure(name: str, part: Part[dict[str, Any]]) -> dict[str, Any]:
    if part.value is None:
        return {"name": measure_name(name), "version": "", "notice": part.notice, "columns": [], "rows": []}
    table = table_of(part.value)
    return {
        "name": measure_name(name),
        "version": part.value["definition_version"],
        "notice": str(part.value.get("note") or ("" if table.rows else "There is nothing to count.")),
        "columns": list(table.columns),
        "rows": [[row, *numbers] for row, numbers in table.rows],
    }


def _frozen(item: Mapping[str, Any]) -> dict[str, str]:
    return {
        "name": f"{measure_name(item['measure'])}, {day(item['from'])} to {day(item['to'])}, definition {item['definition_version']}",
        "at": moment(item["frozen_at"]),
        "sha256": item["sha256"],
    }


def _touches(item: Mapping[str, Any], period: Mapping[str, str]) -> bool:
    """Whether a frozen return counts any day of a period; days are ISO 8601, whose texts sort as they do."""
    return bool(item["from"] <= period["to"] and period["from"] <= item["to"])


def _verification(kept: Mapping[str, Any]) -> dict[str, str]:
    report, faults = json.loads(kept["report"]), report_faults(kept)
    broken: Sequence[str] = [finding["check"] for finding in report["findings"] if finding["problems"]]
    found = f"{len(report['findings'])} checks, {'no break' if report['whole'] else 'broken: ' + ', '.join(broken)}"
    proof = f"the report is not as it was kept: {'; '.join(faults)}" if faults else "the report is as it was kept"
    return {
        "ran": f"{moment(report['started_at'])} to {moment(report['ended_at'])}",
        "found": found,
        "kept": f"{moment(kept['kept_at'])}; {proof}",
        "sha256": kept["sha256"],
    }


def _checkpoint(title: str, log: str, part: Part[CheckedCheckpoint]) -> dict[str, str]:
    checked = part.value or CheckedCheckpoint(fault=part.notice)
    seen = [
        f"{cosignature.name}, {moment(cosignature.at.isoformat()) if cosignature.at else 'without a time'}"
        + ("" if cosignature.checked else ", not checked")
        for cosignature in checked.cosignatures
    ]
    return {
        "log": f"{title}, {'events' if log == 'events' else 'access log'}",
        "size": str(checked.size),
        "root": checked.root_text,
        "witness": checked.fault or "; ".join(seen) or "Nobody else has signed it",
    }
