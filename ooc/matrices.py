"""`ooc load-matrix`: a version of the gravity matrix, checked line by line and kept for the services to read at their start."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ooc.tables import OUT
from services.disposal.matrices import MatrixSettings, read_file
from shared.domain.dates import local_day
from shared.servers.settings import InvalidSetting

app = typer.Typer(add_completion=False)


@app.command("load-matrix")
def load_matrix(
    file: Annotated[Path, typer.Argument(help="The table as CSV, one offence a line.")],
    since: Annotated[
        datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="The first day on which it is in force.")
    ],
) -> None:
    """Load a version of the gravity matrix into the directory that OOC_GRAVITY_MATRICES names; the services are then restarted."""
    matrix = read_file(file, since.date())
    folder = MatrixSettings().gravity_matrices
    if folder is None:
        raise InvalidSetting("name the directory of the matrices in OOC_GRAVITY_MATRICES")
    earlier = [file.stem for file in sorted(folder.glob("*.csv")) if file.stem < matrix.version]
    if earlier and since.date() < local_day(datetime.now(UTC)) and not (folder / f"{matrix.version}.csv").exists():
        raise InvalidSetting(
            f"{earlier[-1]} is in force on {matrix.version}, by which cases are judged: load another from today on"
        )
    kept, table = folder / f"{matrix.version}.csv", file.read_bytes()
    if kept.exists() and kept.read_bytes() != table:
        raise InvalidSetting(f"{kept} is another table: scores name it, so give the new one a day of its own")
    folder.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(table)
    OUT.print(f"{matrix}: {kept}. Restart the APIs of disposal and the console.")
