"""The read models of the deciding services: reporting folds with the owners' own deciders, and without any key."""

from __future__ import annotations

from typing import Any, Final

from services.registry import read_models
from shared.runtime.service import ReadModel

READ_MODELS: Final[dict[str, ReadModel[Any]]] = read_models()
"""By the service's name."""

CONSUMER: Final = "reporting"
"""The name under which the projection's checkpoints are filed."""
