"""Authorisation: who may send which command, and the one gate that every read passes.

`ReadGate.read` commits a line to the access log before the response. No token can carry the role SYSTEM.
"""

from collections.abc import Collection
from itertools import islice
from typing import Any, Final

from shared.api.access_log import AccessLog
from shared.api.repeated_reads import RepeatedReads
from shared.domain.messages import Actor, Command
from shared.domain.permissions import NOTHING, SYSTEM, Denial, Permissions, permission_of
from shared.domain.sealing import FieldClass
from shared.domain.service import Service

NO_LATER_DAY: Final = "your role may not read all of this record, so it may not ask what a later day would change"
"""One of the days on which a rule answers otherwise may be a birthday."""


class NotAllowed(Exception):
    """An action that the role, a label or a declared conflict of interest forbids (403, rule T2)."""


class ReasonNeeded(NotAllowed):
    """A read for which the role must give a reason: the problem names the header like a wrong field."""

    members: Final = {"errors": [{"field": "Access-Reason", "message": "send this header with a code, such as AUDIT"}]}


def command_denial(service: Service[Any], roles: Collection[str], command: type[Command] | None = None) -> str | None:
    """Return why none of some roles may send a command (None: any command at all) to a service; None if one may."""
    role = " or ".join(roles)
    if service.commanding_roles.isdisjoint(roles):
        return f"the role {role} may send no command to {service.name}"
    if command is None or not (allowed := service.roles_for(command)).isdisjoint(roles):
        return None
    return f"the role {role} may not send {command.__name__}; it is for {', '.join(sorted(allowed))}"


class ReadGate:
    """The gate of every read: it checks the permission of the role, and commits a line to the access log first."""

    def __init__(self, log: AccessLog, permissions: Permissions) -> None:
        self._log = log
        self._permissions = permissions
        self.repeated = RepeatedReads(log)

    def refusal(self, actor: Actor, part: str, reason: str | None) -> NotAllowed | None:
        """Return why an actor may not read a part of any record; None if one of their roles may.

        Who has a role that must give a reason gives one for every read.
        """
        permission, role = permission_of(self._permissions, {*actor.roles} - {SYSTEM}), " or ".join(actor.roles)
        if part not in permission.parts:
            return NotAllowed(f"the role {role} may not read {part} here: ask a colleague with another role")
        if permission.needs_reason and not reason:
            return ReasonNeeded(
                f"the role {role} must give a reason: send a code such as AUDIT in the header 'Access-Reason'"
            )
        return None

    async def read(
        self,
        actor: Actor,
        part: str,
        target: str,
        reason: str | None,
        *,
        denial: Denial | None = None,
        version: int | None = None,
    ) -> bool:
        """Log a read and allow or refuse it. Returns False if the record must answer as one that does not exist.

        `part` is the part to read (state, history, duties, …); `denial` is the reason against this one record, `version`
        the record's, by which a role that reads its own records alone repeats a read of an unchanged one.
        Raises `NotAllowed` or `LogUnavailable`.
        """
        refusal = self.refusal(actor, part, reason)
        allowed = refusal is None and denial is None
        if allowed and version and permission_of(self._permissions, actor.roles).own_organisation:
            await self.repeated.record(actor, f"READ_{part.upper()}", target, reason, version)
            return True
        outcome = "GIVEN" if allowed else "FORBIDDEN"
        await self._log.record(actor, f"READ_{part.upper()}", target, outcome=outcome, reason=reason)
        if refusal is not None:
            raise refusal
        if denial is not None and not denial.hidden:
            raise NotAllowed(denial.why)
        return allowed

    async def log_opening(
        self, actor: Actor, classes: Collection[FieldClass], reason: str | None, *targets: str
    ) -> None:
        """Log the classes of sealed fields that a read decrypts, never their values. Raises `LogUnavailable`."""
        if classes:
            opened = (f"{target}/{','.join(sorted(classes))}" for target in targets)
            await self._log.record(actor, "OPEN_FIELDS", *opened, outcome="GIVEN", reason=reason)

    async def act(self, actor: Actor, part: str, action: str, target: str, reason: str) -> Actor:
        """Log an action of an operator and allow or refuse it; return the actor in the role of it. Raises `NotAllowed` or `LogUnavailable`."""
        refusal = self.refusal(actor, part, reason)
        may = (role for role in actor.roles if part in self._permissions.get(role, NOTHING).parts)
        actor = actor.with_roles(islice(may, 1))
        await self._log.record(actor, action, target, outcome="FORBIDDEN" if refusal else "GIVEN", reason=reason)
        if refusal is not None:
            raise refusal
        return actor
