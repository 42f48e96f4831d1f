"""The access log: dense and chained, up to its head, and up to what the position record vouches for."""

from collections.abc import Collection
from typing import Final

from shared.event_store.anchors import Anchors
from shared.evidence.fork import Root
from shared.evidence.verification.problems import MOST_LINES, CountedCheck
from shared.servers.database import Pool

# The database hashes its own lines again; only those that do not follow come back.
_BROKEN: Final = """
    select sequence from (
        select sequence, sequence = lag(sequence, 1, 0::bigint) over w + 1
            and hash = sha256(lag(hash, 1, decode(repeat('00', 32), 'hex')) over w || convert_to(jsonb_build_array(
                sequence, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), actor, role, organisation, action,
                target, reason, outcome, rules)::text, 'UTF8')) as follows
        from access_log window w as (order by sequence)
    ) as line
    where follows is not true order by sequence limit $1
"""
# One statement, so one snapshot: lines are added all the time.
_END: Final = """
    select access_head.sequence as head, access_head.hash = last.hash as same, coalesce(last.sequence, 0) as last,
           (select count(*) from access_log) as lines
    from access_head left join (select sequence, hash from access_log order by sequence desc limit 1) as last on true
"""


async def check_access_log(database: Pool, anchors: Anchors, check: CountedCheck, lost: Collection[Root] = ()) -> None:
    """Check every line, and that none is missing at the end.

    `lost` are lines, by number and hash, whose loss was stated: that the topic vouches for one is no problem.
    """
    problems = check.problems
    for row in await database.fetch(_BROKEN, MOST_LINES):
        problems.note(f"line {row['sequence']} does not follow from the one before")
    end = await database.fetchrow(_END)
    if end is None:
        problems.note("access_head has no row")
        return
    check.entries = end["lines"]
    if end["head"] != end["last"]:
        problems.note(f"{end['head']} lines were written, the last one that is there is {end['last']}")
    elif end["last"] and not end["same"]:
        problems.note(f"line {end['last']} is not the one that was written last")
    if anchors.access_sequence and (anchors.access_sequence, anchors.access_hash) not in lost:
        anchored_hash = await database.fetchval(
            "select hash from access_log where sequence = $1", anchors.access_sequence
        )
        if anchored_hash != anchors.access_hash:
            problems.note(
                f"line {anchors.access_sequence} is {'gone' if anchored_hash is None else 'another'}: the topic vouches for it"
            )
