"""Bundles for an auditor: a home's evidence, a report of a verification, or a return, as a file that is checked offline.

docs/explanation/evidence.md describes the formats. shared/evidence/verify_bundle.py checks them, and shares no code with this.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

FORMAT: Final = "ooc-case-bundle/3"

REPORT_FORMAT: Final = "ooc-verification-report/3"


RETURN_FORMAT: Final = "ooc-return/2"


def bundle_of(case: str, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the bundle of a home from every service's evidence, also of one that holds nothing."""
    return {"format": FORMAT, "case": case, "made_at": datetime.now(UTC).isoformat(), "services": parts}


def report_bundle(
    id_: str, report: str, parts: Sequence[Mapping[str, Any]], format_: str = REPORT_FORMAT
) -> dict[str, Any]:
    """Return the bundle of a kept verification report, or of a return.

    `parts` is the evidence of its keeping, empty if it was not kept.
    """
    services = [{**part, "extends": []} for part in parts]
    return {**bundle_of(id_, services), "format": format_, "report": report}
