"""The register of training: who may lead conferences, and until when. The partnership loads it, as it does the gravity matrix.

Its table is CSV, a person a line: the id of the account, TRAINED or ACCREDITED (for sensitive cases too), and the last day.

    officer,level,until
    b54d5d4e-6a0f-5a4b-9b0f-0d3a6c1f6a11,ACCREDITED,2027-03-31

Without a register whoever assigns a facilitator ticks whether they are trained (rule C5).
"""

import csv
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

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
        """Tell whether they may lead a conference, on the day on which that is asked."""
        return day <= self.until and (self.level == "ACCREDITED" or not sensitive)


Register = Mapping[UUID, Practitioner]


def read_register(file: Path, _since: date) -> Register:
    """Read a version. Raises `InvalidSetting` with the line that is wrong."""
    register: dict[UUID, Practitioner] = {}
    try:
        rows = csv.DictReader(file.read_text(encoding="utf-8-sig").splitlines(), strict=True)
    except (OSError, ValueError) as error:
        raise InvalidSetting(f"{file}: {error}") from error
    try:
        for row in rows:
            one = Practitioner.model_validate(row)
            if register.setdefault(one.officer, one) is not one:
                raise InvalidSetting(f"{file}, line {rows.line_num}: {one.officer} stands in an earlier line")
    except csv.Error as error:
        raise InvalidSetting(f"{file}, line {rows.line_num}: it is no CSV: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        what = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise InvalidSetting(f"{file}, line {rows.line_num}: {what}") from None
    if not register:
        raise InvalidSetting(f"{file}: it names nobody under officer,level,until")
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
