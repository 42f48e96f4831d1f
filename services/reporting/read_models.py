"""The reading faces of the four deciding services: reporting folds with the owners' own deciders, and without any key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from services.disposal.read_model import READ_MODEL as DISPOSAL
from services.education.read_model import READ_MODEL as EDUCATION
from services.referral.read_model import READ_MODEL as REFERRAL
from services.rj_conference.read_model import READ_MODEL as RJ_CONFERENCE
from shared.runtime.service import ReadModel

READ_MODELS: Final[Mapping[str, ReadModel[Any]]] = {
    read_model.service: read_model for read_model in (REFERRAL, EDUCATION, DISPOSAL, RJ_CONFERENCE)
}
"""By the service's name."""

CONSUMER: Final = "reporting"
"""The name under which the projection's checkpoints are filed."""
