"""The types of condition: one module for each member of `ConditionType`, under its name in lower case.

To add a type, add its code to `ConditionType`, which is the registry, and its module here with a `DEFINITION`.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Final

from services.disposal.domain.conditions.definition import ConditionDefinition
from services.trade.vocabulary import ConditionType


def _definition_of(code: ConditionType) -> ConditionDefinition:
    """Return the definition in the module of a type; raise ModuleNotFoundError if the type has none."""
    definition: ConditionDefinition = import_module(f"{__name__}.{code.lower()}").DEFINITION
    return definition


DEFINITIONS: Final[Mapping[ConditionType, ConditionDefinition]] = {code: _definition_of(code) for code in ConditionType}

__all__ = ["DEFINITIONS", "ConditionDefinition"]
