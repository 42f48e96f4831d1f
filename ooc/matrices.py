"""`ooc load-matrix`, `ooc load-practitioners` and `ooc load-tables`: a version of a table, checked line by line and kept for the services to read at their start."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from ooc.tables import OUT
from services.disposal.matrices import MatrixSettings, read_file
from services.reporting.measures import policy
from services.trade.practitioners import SETTING, PractitionerSettings, read_register
from shared.domain.dates import local_day
from shared.servers.settings import InvalidSetting

T = TypeVar("T")

app = typer.Typer(add_completion=False)

Table = Annotated[Path, typer.Argument(help="The table as CSV, one offence or practitioner a line.")]
Since = Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="The first day on which it is in force.")]


@app.command("load-matrix")
def load_matrix(file: Table, since: Since) -> None:
    """Load a version of the gravity matrix into the directory that OOC_GRAVITY_MATRICES names; the services are then restarted."""
    matrix, kept = _keep(file, since.date(), MatrixSettings().gravity_matrices, "OOC_GRAVITY_MATRICES", read_file)
    OUT.print(f"{matrix}: {kept}. Restart the APIs of disposal and the console.")


@app.command("load-practitioners")
def load_practitioners(file: Table, since: Since) -> None:
    """Load a version of the register of training into the directory that OOC_PRACTITIONERS names; the services are then restarted."""
    register, kept = _keep(file, since.date(), PractitionerSettings().practitioners, SETTING, read_register)
    OUT.print(f"{len(register)} practitioners: {kept}. Restart the APIs of rj_conference and the console.")


@app.command("load-tables")
def load_tables(
    file: Annotated[Path, typer.Argument(help="The values as TOML, by their names in the policy of reporting.")],
    since: Since,
) -> None:
    """Load a version of the tables of returns into the directory that OOC_TABLES names; reporting is then restarted."""
    tables, kept = _keep(file, since.date(), policy.TableSettings().tables, policy.SETTING, policy.read_tables)
    OUT.print(f"{', '.join(tables)}: {kept}. Restart reporting.")


def _keep(
    file: Path, since: date, folder: Path | None, setting: str, read: Callable[[Path, date], T]
) -> tuple[T, Path]:
    """Check a table, and keep it as the version of a day. Raises `InvalidSetting`."""
    table = read(file, since)
    if folder is None:
        raise InvalidSetting(f"name the directory of its versions in {setting}")
    kept, earlier = folder / f"{since}{file.suffix}", sorted(folder.glob(f"*{file.suffix}"))
    before = [version.stem for version in earlier if version.stem < kept.stem]
    if before and since < local_day(datetime.now(UTC)) and not kept.exists():
        raise InvalidSetting(
            f"{before[-1]} is in force on {since}, by which cases are judged: load another from today on"
        )
    if kept.exists() and kept.read_bytes() != file.read_bytes():
        raise InvalidSetting(f"{kept} is another table: records rest on it, so give the new one a day of its own")
    folder.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(file.read_bytes())
    return table, kept
