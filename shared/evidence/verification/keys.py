"""The data keys: each must be of an epoch that the owner has opened; those that no event names are counted."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from shared.evidence.verification.log import PAGE
from shared.evidence.verification.problems import CountedCheck
from shared.servers.database import Pool

_PAGE_OF_KEYS: Final = """
    select k.subject, k.generation, k.epoch, e.epoch is null as unknown, e.destroyed_at from (
        select subject, generation, epoch from data_key
        where (subject, generation) > ($1, $2) order by subject, generation limit $3
    ) as k left join key_epoch as e using (epoch) order by k.subject, k.generation
"""


@dataclass
class KeyCheck(CountedCheck):
    """The problems of the data keys, and the number of those that no event names."""

    unnamed: int = 0


async def check_keys(keyring: Pool, named: Collection[tuple[str, int]], check: KeyCheck) -> None:
    """Check every data key. One that no event names is no fault: its command was refused after it was made."""
    after = ("", 0)
    while rows := await keyring.fetch(_PAGE_OF_KEYS, *after, PAGE):
        after = (rows[-1]["subject"], rows[-1]["generation"])
        for row in rows:
            check.entries += 1
            check.unnamed += (row["subject"], row["generation"]) not in named
            if row["unknown"] or row["destroyed_at"] is not None:
                what = "which nobody has opened" if row["unknown"] else "which is destroyed"
                check.problems.note(
                    f"the data key of {row['subject']}, generation {row['generation']}, is of epoch {row['epoch']}, {what}"
                )
