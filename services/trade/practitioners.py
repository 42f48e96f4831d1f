"""The register of training: who may lead conferences, and until when. The partnership loads it, as it does the gravity matrix.

Its table is CSV, a person a line: the id of the account, TRAINED or ACCREDITED (for sensitive cases too), and the last day.

    officer,level,until
    b54d5d4e-6a0f-5a4b-9b0f-0d3a6c1f6a11,ACCREDITED,2027-03-31

Without a register the person who assigns a facilitator ticks whether they are trained (rule C5).
"""

import csv
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from services.trade.versions import read_versions
from shared.domain.policy import Entry, PolicyValue
from shared.servers.settings import InvalidSetting, Settings

POLICY_VALUE: Final = "practitioners"
SETTING: Final = "OOC_PRACTITIONERS"
SOON: Final = timedelta(days=60)
"""How long before its last day a training stands on the day of supervisors."""


class PractitionerSettings(Settings):
    """Where the registers are, beside the settings of every process."""

    practitioners: Path | None = None
    """A directory with a file DAY.csv for each version; None: no register."""


class Practitioner(BaseModel):
    """Who is trained, for what, and until when."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    officer: UUID
    level: Literal["TRAINED", "ACCREDITED"]
    until: date

    def may_lead(self, day: date, *, sensitive: bool) -> bool:
        return day <= self.until and (self.level == "ACCREDITED" or not sensitive)


Register = Mapping[UUID, Practitioner]
_TABLE: Final = TypeAdapter(list[Practitioner])


def read_register(file: Path, _since: date) -> Register:
    """Read a version. Raises `InvalidSetting` with the line that is wrong."""
    try:
        rows = list(csv.DictReader(file.read_text(encoding="utf-8-sig").splitlines(), strict=True))
        practitioners = _TABLE.validate_python(rows)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        row, *field = first["loc"]
        raise InvalidSetting(f"{file}, line {int(row) + 2}: {field}: {first['msg']}") from None
    except (OSError, ValueError, csv.Error) as error:
        raise InvalidSetting(f"{file}: {error}") from error
    register = {one.officer: one for one in practitioners}
    if not 0 < len(register) == len(practitioners):
        raise InvalidSetting(f"{file}: give each officer one line under officer,level,until, and name at least one")
    return register


@cache
def registers() -> dict[date, Register]:
    """Read the registers of this process by their first days. Raises `InvalidSetting`."""
    folder = PractitionerSettings().practitioners
    return {} if folder is None else read_versions(folder, SETTING, read_register)


def register_on(day: date) -> Register | None:
    """Return the register in force on a day; None if none is loaded."""
    return next((register for since, register in reversed(registers().items()) if since <= day), None)


def as_policy() -> Sequence[PolicyValue]:
    """Return the registers as a dated value of policy, which rules read; none if none is loaded."""
    entries = tuple(Entry(since, register) for since, register in registers().items())
    return (PolicyValue(POLICY_VALUE, "register", "register of training, as loaded", entries),) if entries else ()
