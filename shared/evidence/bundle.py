"""Bundles for an auditor: a home's evidence, or a report of a verification, as a file that is checked offline.

docs/explanation/evidence.md describes both formats. tools/verify_bundle.py checks them, and shares no code with this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

FORMAT: Final = "ooc-case-bundle/1"

REPORT_FORMAT: Final = "ooc-verification-report/1"


def bundle_of(case: str, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the bundle of a home, made of each service's evidence."""
    return {"format": FORMAT, "case": case, "made_at": datetime.now(UTC).isoformat(), "services": parts}
