"""The signature: which document the child signs, and whether it is the document as this system prints it."""

from collections.abc import Sequence
from typing import Final

from services.disposal.domain.state import DisposalState, Stage
from services.trade.vocabulary import Disposal
from shared.domain.envelope import Fact
from shared.domain.rules import Context

_OF_DISPOSAL: Final = {Disposal.YRD: "yrd", Disposal.YC: "yc", Disposal.YCC: "ycc"}


def document_to_sign(stage: str, disposal: str | None) -> str | None:
    """Return the name of the document that belongs to a stage and the disposal that is decided; None if there is none."""
    if stage == Stage.DEFERRED:
        return "deferral-plan"
    return None if disposal is None else _OF_DISPOSAL[Disposal(disposal)]


def is_printed_here(sha256: str, state: DisposalState, facts: Sequence[Fact], context: Context) -> bool:
    """Return whether the document to sign, as it is printed of the facts that make the state, has this SHA-256 (hexadecimal)."""
    name = document_to_sign(state.stage, state.to_be_issued)
    return name is not None and context.prints(sha256, name, facts)
