"""`python -m tests.bench.register 5000 > register.csv`: a register of so many referrals, for measuring `ooc import`.

Its rows are those of the how-to's example again and again, so that every column and outcome comes up. Reference, persons and
crime number are another's in each row.
"""

import argparse
import csv
import sys
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Final

EXAMPLE: Final = Path(__file__).parents[2] / "docs" / "how-to" / "import-a-register.csv"
PERSONS: Final = ("child_number", "harmed_number")
CRIME_NUMBERS: Final = 55_000_000_000
"""Before the first crime number: they have eleven digits."""


def rows(count: int) -> Iterator[dict[str, str]]:
    """Yield so many rows, by heading."""
    with EXAMPLE.open(encoding="utf-8", newline="") as file:
        examples = list(csv.DictReader(file))
    for n, example in enumerate(islice(cycle(examples), count), start=1):
        row = {**example, "reference": f"BENCH/{n}"}
        for person, heading in enumerate(PERSONS):
            if row[heading]:
                row[heading] = str(len(PERSONS) * n + person)
        if row["crime_number"]:
            row["crime_number"] = str(CRIME_NUMBERS + n)
        yield row


def main() -> None:
    """Write the register to standard output as CSV."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.register", description=__doc__)
    parser.add_argument("rows", type=int, nargs="?", default=5_000, help="how many rows; 5,000 where none is said")
    found = list(rows(parser.parse_args().rows))
    writer = csv.DictWriter(sys.stdout, found[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)


if __name__ == "__main__":
    main()
