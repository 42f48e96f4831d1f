"""`make doors`: lint the contract as other agencies' tools do, and compile what calls every operation in TypeScript, Go and Java.

Versions are pinned, with hashes in package-lock.json and go.sum (Maven 3.8 keeps none: it checks each against its repository's
own checksum). tests/integration/partner runs what is compiled.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

from tests.doors.calls import RECORD, calls_of
from tools.clients import BUILT, DOCUMENTS, ROOT, TYPESCRIPT, build_typescript

HERE: Final = Path(__file__).parent
MADE: Final = HERE / "made"
TOOLS: Final = HERE / "node_modules/.bin"
SERVICES: Final = [path.parent.name for path in DOCUMENTS]


def lint() -> None:
    """Ask Redocly and Spectral about each document: a warning is a failure."""
    run("npm", "ci", "--silent", "--ignore-scripts")
    events = ROOT / "docs/reference/asyncapi.json"
    run(TOOLS / "redocly", "lint", "--config", HERE / "redocly.yaml", "--max-problems", 20, *DOCUMENTS, events)
    run(TOOLS / "spectral", "lint", "-q", "-F", "warn", "-D", "-r", HERE / "spectral.yaml", *DOCUMENTS, events)


def compile_typescript() -> None:
    """Build the library for TypeScript, and compile a program that names every operation, strictly."""
    BUILT.mkdir(parents=True, exist_ok=True)
    build_typescript()
    lines = [
        "// What it calls is in the contract; tests/doors/__main__.py wrote it.",
        'import type { partnership, Services } from "../../../clients/typescript/dist/index.js";',
        "",
        f"type Clients = ReturnType<typeof partnership<{' | '.join(map(json.dumps, SERVICES))}>>;",
        "type Answer = Promise<{ data?: unknown; error?: unknown; response: Response }>;",
        "// A contract that is not found would be any.",
        f"const known: 0 extends 1 & Services[{json.dumps(SERVICES[0])}] ? never : true = true;",
        "export const operations: [string, string, (clients: Clients, record: string) => Answer][] = [",
    ]
    for service in SERVICES:
        for call in calls_of(service):
            given = {"path": dict(call.where), "query": call.query, "header": call.header}
            parts: dict[str, Any] = {"params": {name: members for name, members in given.items() if members}}
            parts |= {"body": call.body} if call.body_media else {}
            parts |= {} if call.media == "application/json" else {"parseAs": "text"}
            options = json.dumps(parts).replace(f'"{RECORD}"', "record")
            called = f"clients.{service}.{call.method}({json.dumps(call.path)}, {options})"
            lines.append(f'  ["{service}", "{call.operation}", (clients, record) => {called}],')
    (MADE / "operations.ts").write_text("\n".join([*lines, "];", ""]), encoding="utf-8")
    strict = ("--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess")
    kinds = ("--target", "es2022", "--module", "nodenext", "--skipLibCheck")
    run(TYPESCRIPT / "node_modules/.bin/tsc", *strict, *kinds, MADE / "operations.ts")


def compile_go() -> None:
    """Make a client of each service, and compile main.go with them."""
    for name, path in zip(SERVICES, DOCUMENTS, strict=True):
        (MADE / name).mkdir()
        made = ("-generate", "types,client", "-package", name, "-o", MADE / name / "client.go", path)
        run("go", "tool", "oapi-codegen", *made)
    run("go", "build", "-o", MADE / "every_operation", ".")


def compile_java() -> None:
    """Make a client of each service, compile EveryOperation.java with them, and put what it needs beside it."""
    run("mvn", "-q", "-B", "--strict-checksums", "-f", HERE / "java", "package", "dependency:copy-dependencies")


def run(*command: object) -> None:
    """Run a program here. It ends this one, with what it said, where it fails."""
    environment = {**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "CI": "true"}
    words = [str(word) for word in command]
    ended = subprocess.run(words, cwd=HERE, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(f"{' '.join(words[:3])} failed:\n{ended.stdout}{ended.stderr}")


def main() -> None:
    """Do what the machine has tools for, and say what it lacks."""
    shutil.rmtree(MADE, ignore_errors=True)
    MADE.mkdir()
    for tool, steps in {"npm": (lint, compile_typescript), "go": (compile_go,), "mvn": (compile_java,)}.items():
        if shutil.which(tool):
            for step in steps:
                step()
        else:
            print(f"Without {tool} these were not done: {', '.join(step.__name__ for step in steps)}.")


if __name__ == "__main__":
    main()
