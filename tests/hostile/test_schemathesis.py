"""Schemathesis, which makes requests from the OpenAPI documents, finds no fault and no answer that they do not declare."""

import asyncio
import os
import sys
from importlib import import_module
from itertools import cycle
from pathlib import Path
from time import monotonic

import pytest
from fastapi import FastAPI

from services.reporting.api import reporting_api
from services.reporting.database import DATABASE
from services.system.addresses import SERVICES
from shared.runtime.application import service_api
from shared.runtime.provision import databases, provision_databases
from shared.servers.settings import Settings
from tests import loopback
from tests.hostile.serving import served
from tests.integration.api import conftest
from tests.integration.api.conftest import Client

settings = conftest.settings
SECONDS = int(os.environ.get("OOC_HOSTILE_SECONDS", "0"))
"""For all APIs and the console (test_console_requests.py) together."""
SHARES = len(SERVICES) + 1

A_TURN = 240
"""Seconds of one role, before another takes over: a token lives no longer than five minutes."""
ROLES = (
    "SUPERVISOR",
    "DATA_PROTECTION_OFFICER",
    "ANALYST",
    "POLICE_DECISION_MAKER",
    "AUDITOR",
    "RJ_FACILITATOR",
    "SCHOOL",
)
"""Who together may ask for everything that there is."""

EXCLUDED = (
    "negative_data_rejection",  # codes are taken in other spellings than the recorded one
    "positive_data_acceptance",  # what is well formed may yet be refused by a rule
    "missing_required_header",  # without a token it is 401, before any header is looked at
)


@pytest.fixture(params=SERVICES)
def app(request: pytest.FixtureRequest, settings: Settings, postgres_url: str) -> FastAPI:
    """Each API, on databases of its own."""
    name = request.param
    if name == "reporting":
        asyncio.run(databases(postgres_url, [DATABASE]))
        return reporting_api(settings)
    asyncio.run(provision_databases(settings, [name], ()))
    return service_api(import_module(f"services.{name}.service").service, settings)


@pytest.mark.slow
@pytest.mark.skipif(not SECONDS, reason="it takes the time that it is given: `make hostile` gives it some")
@pytest.mark.timeout(SECONDS + 300)
async def test_no_request_that_the_document_allows_or_forbids_finds_a_fault(
    app: FastAPI, settings: Settings, issuer: str, tmp_path: Path
) -> None:
    """Given requests made from the document, well formed or not, in turn by each role, each answer is one that the document declares, and none
    is a fault."""
    # 503 says that something has not come yet or does not answer: it is documented, and no fault.
    (tmp_path / "schemathesis.toml").write_text(
        '[checks]\nnot_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 503]\n', encoding="utf-8"
    )
    end = monotonic() + SECONDS / SHARES
    async with served(app, settings) as port:
        for role in cycle(ROLES):
            async with loopback.client() as http:
                token = await Client(http, issuer).token(role)
            turn = max(1, int(min(A_TURN, SECONDS / SHARES / len(ROLES), end - monotonic())))
            run = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{port}/openapi.json"),
                *("--no-color", "--header", f"Authorization: Bearer {token}", "--max-time", str(turn)),
                *("--checks", "all", "--exclude-checks", ",".join(EXCLUDED), "--warnings", "off"),
                # A query of reporting waits 15 seconds for a position that does not come, and a proof 20 for a signer: none
                # runs here.
                *("--continue-on-failure", "--request-timeout", "40", "--max-response-time", "25"),
                cwd=tmp_path,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            output, _ = await run.communicate()
            assert run.returncode == 0, f"{role}: {output.decode()[-6000:]}"
            if monotonic() > end:
                break
