"""The reading faces of the four deciding services: reporting folds with the owners' own deciders, and without any key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from services.disposal.reading import READING as DISPOSAL
from services.education.reading import READING as EDUCATION
from services.referral.reading import READING as REFERRAL
from services.rj_conference.reading import READING as RJ_CONFERENCE
from shared.service import Reading

READINGS: Final[Mapping[str, Reading[Any]]] = {
    reading.service: reading for reading in (REFERRAL, EDUCATION, DISPOSAL, RJ_CONFERENCE)
}
"""By the service's name."""

CONSUMER: Final = "reporting"
"""The name under which the projection's checkpoints are filed."""
