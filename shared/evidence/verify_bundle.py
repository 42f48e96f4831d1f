"""Check an exported case offline: that its events are those that were recorded, all of them, in their order.

A report of `ooc verify --report` and a return of `ooc export return` are checked in the same way: that they are as they
were kept, when and by whom. So is the receipt of a command: that the service has signed it as it stands.

    python verify_bundle.py case.json --keys keys.txt [--known checkpoint]... [--receipt receipt]... [--witness KEY] [--quiet]

One file; it needs Python 3.11, the package `cryptography`, and nothing of the system that wrote the bundle. What it
computes is described in docs/explanation/evidence.md, so that you can write it again. `--keys` names a file with the public
keys of the logs, which you have from elsewhere than the bundle: they also say of which services a case must have a
statement. Without it, the bundle's own keys are used, and that is said. `--known` names a checkpoint that you kept: the logs
must extend it. `--receipt` names a receipt that you hold: its events must be in the case. `--witness` is the key of a witness that you trust. What was not checked is said.

Exit code 0: everything that was checked holds. 1: something does not; each fault is named. 2: the bundle cannot be read.
3: no log was counted for the reader of the export, so nothing was checked.
"""

import argparse
import base64
import hashlib
import json
import re
import struct
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORMAT = "ooc-case-bundle/3"
REPORT = "ooc-verification-report/3"
RETURN = "ooc-return/2"
CASES = (FORMAT, "ooc-case-bundle/2")
"""The formats of a case; older ones prove each access line on its own."""
KEPT = {
    **dict.fromkeys((REPORT, "ooc-verification-report/2"), ("KEEP_VERIFICATION", "reporting/verifications")),
    **dict.fromkeys((RETURN, "ooc-return/1"), ("FREEZE_RETURN", "reporting/returns")),
}
"""The action and the target, in reporting's own log, of the access line that records the SHA-256 of a report or a return."""
SEALED = "s1:"
LOGS = ("events", "access")
UNCOUNTED = "uncounted"
APART = timedelta(minutes=15)
"""How far the statements of a bundle, and the time at which it was made, may be apart."""
CLOCKS = timedelta(minutes=5)
"""How far two clocks may differ."""
GENESIS = bytes(32)
EPOCH = datetime.fromtimestamp(0, UTC)


class Unreadable(Exception):
    """A file that is not what it should be."""


def read_json(content: bytes) -> Any:
    """Read JSON in which no member stands twice: another reader would take the other one. Raises ValueError."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) < len(pairs):
            raise ValueError("a member of an object stands twice")
        return found

    try:
        return json.loads(content, object_pairs_hook=members)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def say(*lines: str, to: TextIO = sys.stdout) -> None:
    """Print lines; what a terminal would take for a command, or for another line, is shown as a mark."""
    for line in lines:
        print("".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line), file=to)


class Faults(list[str]):
    """The faults so far, each a sentence."""

    def note(self, place: str, fault: str) -> None:
        self.append(f"{place}: {fault}")


# --- hashes (docs/explanation/evidence.md) -----------------------------------------------------------


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def entry_of(line: dict[str, Any]) -> bytes:
    """Build the 48 bytes of an entry: number, microseconds since 1970, both 64 bits big-endian, and hash."""
    at = datetime.fromisoformat(line["at"])
    return struct.pack(">qq", line["number"], (at - EPOCH) // timedelta(microseconds=1)) + bytes.fromhex(line["hash"])


def in_utc(at: str) -> str:
    """Write a time as the clock shows it in UTC: a hash covers the instant, at whatever offset a file writes it."""
    return f"{datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def access_hash(line: dict[str, Any]) -> bytes:
    values = [line["number"], in_utc(line["at"])]
    values += [
        line[name] for name in ("actor", "role", "organisation", "action", "target", "reason", "outcome", "rules")
    ]
    return sha256(bytes.fromhex(line["previous"]), json.dumps(values, ensure_ascii=False).encode())


def root_by_inclusion(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Follow a proof of inclusion to its root (RFC 9162, section 2.1.3.2). Raises ValueError."""
    if not 0 <= index < size:
        raise ValueError("the entry lies beyond the tree")
    return climb(index, size - 1, [leaf, *path])[1]


def root_by_all(leaves: list[tuple[int, bytes]], begin: int, end: int, path: Iterator[bytes]) -> bytes:
    """Compute the root of the entries from `begin` to before `end`, by the hashes of some and of the subtrees beside them.

    `leaves` are index and hash, ascending; `path` the hashes of the largest subtrees without any of them, from the left.
    Raises ValueError or StopIteration.
    """
    if not leaves:
        return next(path)
    if end - begin == 1:
        ((_, digest),) = leaves
        return digest
    middle = begin + (1 << (end - begin - 1).bit_length() - 1)
    left = [leaf for leaf in leaves if leaf[0] < middle]
    before = root_by_all(left, begin, middle, path)
    return sha256(b"\x01", before, root_by_all(leaves[len(left) :], middle, end, path))


def roots_by_consistency(first: int, first_root: bytes, second: int, path: list[bytes]) -> tuple[bytes, bytes]:
    """Follow a proof of consistency to both roots (RFC 9162, section 2.1.4.2). Raises ValueError."""
    if first == second:
        return climb(0, 0, [first_root, *path])
    if not 0 < first < second:
        raise ValueError("the earlier tree has no entries, or more than the later one")
    if first & (first - 1) == 0:  # the earlier tree is a complete subtree of the later one
        path = [first_root, *path]
    fn, sn = first - 1, second - 1
    while fn & 1:  # a right branch
        fn, sn = fn >> 1, sn >> 1
    return climb(fn, sn, path)


def climb(fn: int, sn: int, path: list[bytes]) -> tuple[bytes, bytes]:
    """Go up from the first hash, that of node `fn` of a level that ends with `sn`, by the others to the root.

    Returns the root of what ends with the node, and of all. Raises ValueError.
    """
    if any(len(digest) != 32 for digest in path):
        raise ValueError("a hash has not 32 bytes")
    if not path:
        raise ValueError("the proof is too short")
    old = new = path[0]
    for other in path[1:]:
        if sn == 0:
            raise ValueError("the proof is too long")
        if fn & 1 or fn == sn:
            old, new = sha256(b"\x01", other, old), sha256(b"\x01", other, new)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = sha256(b"\x01", new, other)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise ValueError("the proof is too short")
    return old, new


# --- signed notes (https://c2sp.org/signed-note) -----------------------------------------------------


class Key:
    """A public key: name, signature type (1: Ed25519, 4: a witness's cosignature) and 32 bytes."""

    def __init__(self, text: str) -> None:
        try:
            self.name, id_, rest = text.strip().split("+", 2)
            raw = base64.b64decode(rest, validate=True)
            self.kind, self.public = raw[0], raw[1:]
            self.id = sha256(self.name.encode() + b"\n" + raw)[:4]
            if id_ != self.id.hex() or len(self.public) != 32:
                raise ValueError("its id does not follow from its bytes")
        except (ValueError, IndexError) as error:
            raise Unreadable(f"{text.strip()[:60]!r} is not a public key: {error}") from error

    def has_signed(self, note: str) -> bool:
        text, _, signatures = note.rpartition("\n\n")
        text += "\n"
        for line in signatures.splitlines():
            match = re.fullmatch(r"— (\S+) (\S+)", line)
            if match is None or match[1] != self.name:
                continue
            signature = base64.b64decode(match[2])
            if signature[:4] != self.id:
                continue
            signed, signature = text.encode(), signature[4:]
            if self.kind == 4:
                time, signature = int.from_bytes(signature[:8], "big"), signature[8:]
                signed = f"cosignature/v1\ntime {time}\n{text}".encode()
            try:
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature, signed)
            except InvalidSignature:
                return False
            return True
        return False


class Keys:
    """The public keys that are trusted."""

    def __init__(self, lines: list[str]) -> None:
        self.keys = [Key(line) for line in lines if line.strip() and not line.startswith("#")]

    def have_signed(self, note: str) -> bool:
        """Tell whether a key of the name in the note's first line has signed it."""
        name = note.split("\n", 1)[0]
        return any(key.name == name and key.has_signed(note) for key in self.keys)


def checkpoint_of(note: str) -> tuple[str, int, bytes]:
    origin, size, root = note.split("\n")[:3]
    return origin, int(size), base64.b64decode(root, validate=True)


# --- the bundle -----------------------------------------------------------------------------------------


class Statement:
    """A service's signed statement on a case: time, reader, contract, and the number of entries in each log."""

    def __init__(self, note: str) -> None:
        self.note = note
        self.name, self.home, seconds, self.contract, self.reader, *logs = note.rpartition("\n\n")[0].split("\n")
        self.authority = self.name.removesuffix("/statement")
        self.at = datetime.fromtimestamp(int(seconds), UTC)
        self.logs = {line.split()[0]: line.split()[1:] for line in logs}
        if not self.reader.startswith("for "):
            raise ValueError("a statement does not name its reader")

    def counts(self, log: str) -> bool:
        return self.logs.get(log, [UNCOUNTED]) != [UNCOUNTED]


def check_service(part: dict[str, Any], case: str, keys: Keys, witness: Key | None, faults: Faults) -> None:
    service, statement = part["service"], Statement(part["statement"])
    if not keys.have_signed(statement.note):
        faults.note(service, "no trusted key has signed its statement: it is forged, or the keys are others")
    if statement.authority.rpartition("/")[2] != service:
        faults.note(service, f"its statement is that of {statement.authority}")
    if statement.home != case or part["home"] != case:
        faults.note(service, f"its statement is about {statement.home}, not about {case}")
    if statement.contract != f"contract {sha256(part['contract'].encode()).hex()}":
        faults.note(service, "its schemas, rules or policy are not those of the statement")
    check_logs(part, statement, keys, witness, faults)
    check_streams(service, case, part.get("events", {}).get("entries", []), faults)
    for line in part.get("access", {}).get("entries", []):
        if access_hash(line).hex() != line["hash"]:
            faults.note(f"{service}, access {line['number']}", "its content has been altered: its hash is another")


def check_logs(part: dict[str, Any], statement: Statement, keys: Keys, witness: Key | None, faults: Faults) -> None:
    service = part["service"]
    for log in LOGS:
        if statement.counts(log) and log not in part:
            faults.note(
                service, f"its log {log} is missing, though its statement counts {statement.logs[log][1]} entries"
            )
        elif log in part and not statement.counts(log):
            faults.note(service, f"its statement does not count the log {log}")
        elif log in part:
            place, size = f"{service}, {log}", int(statement.logs[log][0])
            check_completeness(place, part[log]["entries"], statement.logs[log], faults)
            check_log(place, part[log], f"{statement.authority}/{log}", size, keys, faults)
            if witness is not None and size and not witness.has_signed(part[log]["checkpoint"]):
                faults.note(place, f"the witness {witness.name} has not cosigned its checkpoint")


def check_whole(bundle: dict[str, Any], keys: Keys, now: datetime, faults: Faults) -> None:
    """Check that the statements are those of one export: one of each service, for one reader, at one time."""
    statements = [Statement(part["statement"]) for part in bundle["services"]]
    names = [statement.name for statement in statements]
    required = (
        {key.name for key in keys.keys if key.name.endswith("/statement")} if bundle["format"] in CASES else set()
    )
    for name in sorted(required.difference(names)):
        faults.note(
            name.removesuffix("/statement"),
            "its part is missing: it would say how much of the case it holds, even if nothing",
        )
    if not statements or len(set(names)) != len(names):
        faults.note("bundle", "it has no service at all, or one stands twice")
    if len({statement.reader for statement in statements}) > 1:
        faults.note(
            "bundle", "its statements were made for different readers: it was put together from several exports"
        )
    given = {statement.counts("access") for statement in statements if any(map(statement.counts, LOGS))}
    if len(given) > 1:
        faults.note(
            "bundle", "some services count access lines, and some do not: it was put together from several exports"
        )
    made_at = datetime.fromisoformat(bundle["made_at"])
    if made_at > now + CLOCKS:
        faults.note("made_at", f"{bundle['made_at']} lies in the future")
    for statement in statements:
        if not -CLOCKS <= made_at - statement.at <= APART:
            faults.note(
                "made_at",
                f"{bundle['made_at']} is not when {statement.authority} signed its statement, {statement.at:%Y-%m-%dT%H:%M:%SZ}",
            )


def check_completeness(place: str, entries: list[dict[str, Any]], stated: list[str], faults: Faults) -> None:
    """Check that the entries are those that the statement counts, in their order."""
    count, digest = int(stated[1]), stated[2]
    numbers = [entry["number"] for entry in entries]
    if len(entries) < count:
        faults.note(place, f"{count - len(entries)} of {count} entries are missing")
    elif len(entries) > count:
        faults.note(place, f"{len(entries) - count} entries are more than the {count} of the statement")
    if numbers != sorted(set(numbers)):
        faults.note(place, "the entries are not in their order, or one stands twice")
    elif len(entries) == count and sha256(*map(entry_of, entries)).hex() != digest:
        faults.note(place, "the entries are not those of the statement: one was replaced or altered")


def check_log(place: str, text_of: dict[str, Any], origin: str, size: int, keys: Keys, faults: Faults) -> None:
    """Check a log's checkpoint, and that each entry is in the log at its number."""
    if size == 0 and not text_of["entries"]:
        return
    if not keys.have_signed(text_of["checkpoint"]):
        faults.note(place, "no trusted key has signed its checkpoint: it is forged, or the keys are others")
    named, signed, root = checkpoint_of(text_of["checkpoint"])
    if (named, signed) != (origin, size):
        faults.note(place, f"its checkpoint is that of {named} at {signed}, the statement's that of {origin} at {size}")
    if "proof" in text_of:
        check_together(place, text_of, signed, root, faults)
        return
    for entry in text_of["entries"]:
        path = [base64.b64decode(digest) for digest in entry["proof"]]
        try:
            led_to = root_by_inclusion(sha256(b"\x00", entry_of(entry)), entry["number"] - 1, signed, path)
        except ValueError as error:
            faults.note(f"{place} {entry['number']}", f"its proof is malformed: {error}")
            continue
        if led_to != root:
            why = "it is not in the log of the checkpoint: number, time or hash were altered"
            faults.note(f"{place} {entry['number']}", why)


def check_together(place: str, text_of: dict[str, Any], size: int, root: bytes, faults: Faults) -> None:
    """Check the one proof that all entries are in the log at their numbers."""
    leaves = sorted((entry["number"] - 1, sha256(b"\x00", entry_of(entry))) for entry in text_of["entries"])
    path = [base64.b64decode(digest) for digest in text_of["proof"]]
    rest = iter(path)
    try:
        if any(len(digest) != 32 for digest in path) or (leaves and not 0 <= leaves[0][0] <= leaves[-1][0] < size):
            raise ValueError("an entry lies beyond the tree, or a hash has not 32 bytes")
        led_to = root_by_all(leaves, 0, size, rest)
        if next(rest, None) is not None:
            raise ValueError("it has more hashes than the tree has subtrees beside the entries")
    except (ValueError, StopIteration) as error:
        faults.note(place, f"its proof is malformed: {str(error) or 'it has too few hashes'}")
        return
    if led_to != root:
        faults.note(place, "an entry is not in the log of the checkpoint: a number, time or hash was altered")


def check_streams(service: str, case: str, entries: list[dict[str, Any]], faults: Faults) -> None:
    """Check that each stream is whole from its first event, and each event's bytes those that were hashed."""
    ends: dict[str, tuple[int, bytes]] = {}
    for entry in entries:
        stream, version = entry["stream"], entry["version"]
        place = f"{service} event {entry['number']} (version {version} of {stream})"
        before, previous = ends.get(stream, (0, GENESIS))
        ends[stream] = version, bytes.fromhex(entry["hash"])
        body = base64.b64decode(entry["body"])
        if version > before + 1:
            missing = f"version {before + 1}" if version == before + 2 else f"versions {before + 1} to {version - 1}"
            faults.note(place, f"{missing} of its stream is missing before it")
        elif version <= before:
            faults.note(place, f"it stands after version {before} of its stream: the order was changed")
        elif sha256(previous, body).hex() != entry["hash"]:
            faults.note(place, "its bytes have been altered: they do not have its hash")
        content = read_json(body)
        if (content["stream"], content["version"], content["home"]) != (stream, version, case):
            faults.note(place, "its bytes name another stream, version or case")


def kept_line(bundle: dict[str, Any]) -> dict[str, Any] | None:
    """Return the line of the access log that records the keeping of a report or return with these bytes."""
    action, place = KEPT[bundle["format"]]
    digest = sha256(bundle["report"].encode()).hex()
    for part in bundle["services"]:
        for line in part["access"]["entries"] if part["service"] == place.partition("/")[0] else ():
            content = (line["action"], line["target"], line["outcome"])
            if content == (action, f"{place}/{bundle['case']}/sha256:{digest}", "GIVEN"):
                found: dict[str, Any] = line
                return found
    return None


def check_report(bundle: dict[str, Any], faults: Faults) -> None:
    """Check that a report or return is that whose hash stands in the access log. Raises ValueError for one that is no JSON."""
    read_json(bundle["report"].encode())
    if not bundle["services"]:
        faults.note("report", "nothing proves it: it was not kept")
    elif kept_line(bundle) is None:
        faults.note("report", "its text is not the one whose hash the access log recorded: it was altered")


def check_known(bundle: dict[str, Any], checkpoints: list[str], keys: Keys, faults: Faults) -> None:
    """Check that the logs extend each checkpoint that was kept from earlier."""
    for note in checkpoints:
        origin, size, root = checkpoint_of(note)
        place = f"{origin}, checkpoint of {size} entries"
        if not keys.have_signed(note):
            faults.note(place, "no trusted key has signed the checkpoint that you kept")
        held = [
            (part, part[log]["checkpoint"])
            for part in bundle["services"]
            for log in LOGS
            if log in part and origin == f"{Statement(part['statement']).authority}/{log}"
        ]
        if not held:
            faults.note(place, "the bundle has nothing of this log, so the checkpoint that you kept was not used")
        for part, checkpoint in held:
            _, now, now_root = checkpoint_of(checkpoint) if checkpoint else (origin, 0, b"")
            if now < size:
                faults.note(place, f"the log has only {now} entries now: it was rolled back")
                continue
            proofs = [
                extension["proof"]
                for extension in part["extends"]
                if checkpoint_of(extension["checkpoint"]) == (origin, size, root)
            ]
            if not proofs and now != size:
                faults.note(place, "the bundle has no proof for it: export again with --extends and this checkpoint")
                continue
            path = [base64.b64decode(digest) for digest in proofs[0]] if proofs else []
            try:
                old_root, new_root = roots_by_consistency(size, root, now, path)
            except ValueError as error:
                faults.note(place, f"its proof is malformed: {error}")
                continue
            if (old_root, new_root) != (root, now_root):
                faults.note(place, f"the log of {now} entries does not extend it: what it held has been rewritten")


def not_checked(bundle: dict[str, Any], *, own_keys: bool, known: bool, witness: bool) -> Iterator[str]:
    if own_keys:
        yield "Who made it, and whether a service is missing: the keys came from the bundle itself. Name your own with --keys."
    if not witness:
        yield "Whether others were shown another history: no witness was named (--witness)."
    if not known:
        yield "Whether a log was rewritten before this export: no checkpoint that you kept was named (--known)."
    for part in bundle["services"]:
        statement = Statement(part["statement"])
        for log in statement.logs:
            if not statement.counts(log):
                yield f"The log {log} of {part['service']}: it was not counted {statement.reader}."
    if bundle["format"] in CASES:
        yield "Personal values: they are sealed. A plain text that you were shown beside this file is not proved by it."
        yield "Records whose home is not this case, such as a session with several people: each has a bundle of its own."


def check_receipt(receipt: dict[str, Any], keys: Keys) -> list[str]:
    """Check that a service has signed a receipt as it stands. Returns the faults."""
    faults, signature = Faults(), receipt["signature"] or {"key": "none", "value": ""}
    content = {name: value for name, value in receipt.items() if name != "signature"}
    # RFC 8785, for the texts and whole numbers that a receipt has.
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")
    named = [key for key in keys.keys if f"{key.name}+{key.id.hex()}" == signature["key"]]
    if not named or named[0].name.split("/")[-2:] != [receipt["service"], "receipt"]:
        faults.note(
            "receipt",
            f"its key {signature['key']} is none that you trust for receipts of {receipt['service']}: it proves nothing",
        )
        return faults
    try:
        value = base64.b64decode(signature["value"])
        if base64.b64encode(value).decode() != signature["value"]:
            raise ValueError("this is not the base64 of its bytes")
        Ed25519PublicKey.from_public_bytes(named[0].public).verify(value, text)
    except (InvalidSignature, ValueError):
        faults.note("receipt", "its signature does not fit: it was altered or invented, and proves nothing")
    return faults


def check_receipts(bundle: dict[str, Any], receipts: Sequence[dict[str, Any]], keys: Keys, faults: Faults) -> None:
    """Check that the case has each event of each receipt, as the service answered it."""
    recorded = {
        (entry["stream"], entry["version"]): entry
        for part in bundle["services"]
        for entry in part.get("events", {}).get("entries", ())
    }
    for receipt in receipts:
        forged = check_receipt(receipt, keys)
        faults.extend(forged)
        for line in () if forged else receipt["events"]:
            place = f"receipt of {receipt['command_id']}: version {line['version']} of {receipt['stream']}"
            entry = recorded.get((receipt["stream"], line["version"]))
            if entry is None:
                faults.note(place, "the case has not this event, which the service has signed that it recorded")
                continue
            content = json.loads(base64.b64decode(entry["body"]))
            there = (entry["number"], entry["hash"], content["event_id"], content["type"], content["command_id"])
            if there != (line["position"], line["hash"], line["event_id"], line["type"], receipt["command_id"]):
                faults.note(place, "the case has another event there than the service has signed that it recorded")


def receipt_lines(receipt: dict[str, Any]) -> Iterator[str]:
    yield f"{receipt['service']} has signed that it recorded at {receipt['recorded_at']}, for command {receipt['command_id']}:"
    for line in receipt["events"]:
        yield f"  {line['type']} as version {line['version']} of {receipt['stream']}, position {line['position']}, hash {line['hash']}"
    yield "Not checked: that the log still holds it. Ask `ooc verify receipt`, or for a checkpoint and a proof of each position."


def counts_nothing(bundle: dict[str, Any]) -> bool:
    """Tell whether no service counts a log for the bundle's reader: then it proves nothing of the case."""
    return not any(Statement(part["statement"]).counts(log) for part in bundle["services"] for log in LOGS)


def history(bundle: dict[str, Any]) -> Iterator[str]:
    """Tell the case in plain English, a line for each event in the order of their occurrence."""
    history_lines = []
    for part in bundle["services"]:
        for entry in part.get("events", {}).get("entries", ()):
            content = json.loads(base64.b64decode(entry["body"]))
            words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", content["type"].split(".")[2]).capitalize()
            facts = ", ".join(f"{name.replace('_', ' ')} {text_of(value)}" for name, value in content["data"].items())
            actor = content["actor"]
            line = (
                f"{content['occurred_at'][:16].replace('T', ' ')}  {words}, by {actor['role']} of {actor['organisation']}"
                f" ({entry['stream']}, version {entry['version']}, recorded {in_utc(entry['at'])[:16].replace('T', ' ')})"
            )
            history_lines.append((line, f"{' ' * 18}{facts}") if facts else (line,))
    return (line for lines in sorted(history_lines) for line in lines)


def report_lines(bundle: dict[str, Any]) -> Iterator[str]:
    """Tell a report or return that is as it was kept: when, by whom, and each break or number that it names."""
    line = kept_line(bundle)
    if line is None:
        return
    report = json.loads(bundle["report"])
    if bundle["format"] == RETURN:
        yield f"Return frozen {in_utc(line['at'])[:19]} by {line['actor']}, {line['role']} of {line['organisation']}"
        yield from (f"  {name}: {text_of(value)}" for name, value in report.items())
        return
    word = "everything whole" if report["whole"] else "BROKEN"
    yield f"Verification of {report['started_at'][:16]} to {report['ended_at'][:16]}: {word}"
    yield f"Kept {in_utc(line['at'])[:19]} by {line['actor']}, {line['role']} of {line['organisation']}"
    for finding in report["findings"]:
        yield from (f"  {finding['service']}: {finding['check']}: {problem}" for problem in finding["problems"])


def text_of(value: Any) -> str:
    """Write a value; a personal one is sealed and stays so."""
    if isinstance(value, str) and value.startswith(SEALED):
        return "[sealed]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} {text_of(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(text_of, value)) + "]"
    return "none" if value is None else str(value)


def check(
    bundle: dict[str, Any],
    keys: Keys,
    checkpoints: list[str],
    witness: Key | None,
    receipts: Sequence[dict[str, Any]] = (),
) -> list[str]:
    """Check a bundle and return its faults, each a sentence. Raises `Unreadable`."""
    faults = Faults()
    try:
        for part in bundle["services"]:
            check_service(part, bundle["case"], keys, witness, faults)
        check_whole(bundle, keys, datetime.now(UTC), faults)
        if bundle["format"] in KEPT:
            check_report(bundle, faults)
        check_known(bundle, checkpoints, keys, faults)
        check_receipts(bundle, receipts, keys, faults)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, struct.error) as error:
        raise Unreadable(f"the bundle is malformed ({type(error).__name__}: {error})") from error
    return faults


def read_bundle(path: Path) -> dict[str, Any]:
    """Read a bundle. Raises `Unreadable`."""
    try:
        bundle = read_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Unreadable(f"{path} cannot be read: {error}") from error
    if not isinstance(bundle, dict) or (not is_receipt(bundle) and bundle.get("format") not in {*CASES, *KEPT}):
        raise Unreadable(f"{path} is no receipt, and no bundle of the format {FORMAT}, {REPORT} or {RETURN}")
    return bundle


def is_receipt(bundle: dict[str, Any]) -> bool:
    return {"command_id", "events", "signature"} <= bundle.keys()


def show_receipt(receipt: dict[str, Any], keys: Keys) -> int:
    """Check a receipt and print what it says. Returns the exit code."""
    faults = check_receipt(receipt, keys)
    say(*([f"BROKEN  {fault}" for fault in faults] or receipt_lines(receipt)))
    return 1 if faults else 0


def main() -> int:
    """Check the bundle that the command line names, print its history, and say what holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--keys", type=Path)
    parser.add_argument("--known", type=Path, action="append", default=[])
    parser.add_argument("--receipt", type=Path, action="append", default=[])
    parser.add_argument("--witness")
    parser.add_argument("--quiet", action="store_true", help="do not print the history")
    chosen = parser.parse_args()
    try:
        bundle = read_bundle(chosen.bundle)
        if is_receipt(bundle):
            return show_receipt(
                bundle, Keys(chosen.keys.read_text(encoding="utf-8").splitlines() if chosen.keys else [])
            )
        own = [key for part in bundle["services"] for key in part["keys"]]
        keys = Keys(chosen.keys.read_text(encoding="utf-8").splitlines() if chosen.keys else own)
        known = [path.read_text(encoding="utf-8") for path in chosen.known]
        receipts = [read_json(path.read_bytes()) for path in chosen.receipt]
        faults = check(bundle, keys, known, Key(chosen.witness) if chosen.witness else None, receipts)
        empty = counts_nothing(bundle)
        unchecked = list(not_checked(bundle, own_keys=not chosen.keys, known=bool(known), witness=bool(chosen.witness)))
        head = (f"The case {bundle['case']}, as recorded; exported {in_utc(bundle['made_at'])[:16]}:", "")
        lines = list(report_lines(bundle)) if bundle["format"] in KEPT else [*head, *history(bundle)]
    except (Unreadable, OSError, KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
        say(f"Not checked: {error}", to=sys.stderr)
        return 2
    if not chosen.quiet:
        say(*lines, "")
    say(*(f"BROKEN  {fault}" for fault in faults))
    say(
        *(
            f"{part['service']}: {len(part.get('events', {}).get('entries', ()))} events,"
            f" {len(part.get('access', {}).get('entries', ()))} access lines"
            for part in bundle["services"]
        )
    )
    say("", "Not checked:", *(f"  {line}" for line in unchecked), "")
    if empty and not faults:
        say("Nothing was checked: no service counts a log of this case for this reader. Ask a reader of its area.")
        return 3
    say(f"{len(faults)} faults." if faults else "Everything that was checked holds.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
