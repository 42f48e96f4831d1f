"""The declarations of the services, for what is done to the system as a whole: schema, topics, verification, checks.

Importing them costs half a second, so commands that only talk HTTP do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from services.disposal.service import service as disposal
from services.education.service import service as education
from services.referral.service import service as referral
from services.reporting.database import DATABASE as REPORTING_DATABASE
from services.rj_conference.service import service as rj_conference
from shared.runtime.privileges import Schema
from shared.runtime.service import Service

DECIDING: Final[tuple[Service[Any], ...]] = (referral, education, disposal, rj_conference)
"""The services that decide, each with an event store and a topic."""

PROJECTIONS: Final[Sequence[tuple[str, Schema]]] = (REPORTING_DATABASE,)
"""The databases of what only projects, with what they hold."""
