"""`make clients`: the client libraries for Python and TypeScript, generated from the contract and built.

It runs in an environment of its own, since the generator pins other versions of what the project uses.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
LIBRARY: Final = ROOT / "clients/python"
BUILT: Final = ROOT / "var/clients"
TYPESCRIPT: Final = ROOT / "clients/typescript"
GENERATED: Final = LIBRARY / "ooc_client/api"
DOCUMENTS: Final = sorted(ROOT.glob("docs/reference/*/openapi.json"))

_OPTIONS: Final = {
    "content_type_overrides": {
        "application/pdf": "application/octet-stream",
        "application/openmetrics-text; version=1.0.0; charset=utf-8": "text/plain",
    },
    "post_hooks": [],
}


def generate(folder: Path = GENERATED) -> None:
    """Generate a package for each service into a folder, anew. Raises `RuntimeError` for a warning of the generator."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    version = ""
    for path in DOCUMENTS:
        document = json.loads(path.read_text(encoding="utf-8"))
        version = document["info"]["version"]
        with tempfile.TemporaryDirectory() as scratch:
            contract, options = Path(scratch, "openapi.json"), Path(scratch, "options.json")
            contract.write_text(json.dumps(_name_schemas(document)), encoding="utf-8")
            options.write_text(json.dumps(_OPTIONS), encoding="utf-8")
            command = [
                *(str(Path(sys.executable).with_name("openapi-python-client")), "generate", "--meta", "none"),
                *("--path", str(contract), "--config", str(options), "--output-path", str(folder / path.parent.name)),
            ]
            said = subprocess.run(command, capture_output=True, text=True, check=False)
        if said.returncode or "WARNING" in said.stdout + said.stderr:
            raise RuntimeError(f"{path.parent.name}: {said.stdout}{said.stderr}")
    (folder / "__init__.py").write_text(f'__version__ = "{version}"\n', encoding="utf-8")


def _name_schemas(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with each class named as the contract names its schema, and headers as text.

    The generator takes a schema's title for its name, and gives the HTTP client a UUID though a header must be text.
    """
    for name, schema in document["components"]["schemas"].items():
        schema["title"] = name
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "header":
                    parameter["schema"].pop("format", None)
    return document


def build_typescript() -> None:
    """Generate the types of each service, compile the library, and pack it. Needs npm of Node.js 20 or newer."""
    types, tools = TYPESCRIPT / "src/api", TYPESCRIPT / "node_modules/.bin"
    shutil.rmtree(types, ignore_errors=True)
    types.mkdir()
    subprocess.run(["npm", "ci", "--silent", "--ignore-scripts"], cwd=TYPESCRIPT, check=True)
    names = [path.parent.name for path in DOCUMENTS]
    for name, path in zip(names, DOCUMENTS, strict=True):
        subprocess.run(
            [tools / "openapi-typescript", path, "-o", types / f"{name}.ts"],
            cwd=TYPESCRIPT,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    imports = [f'import type {{ paths as {name} }} from "./{name}.js";' for name in names]
    members = [f"  {name}: {name};" for name in names]
    lines = [*imports, "", "export interface paths {", *members, "}", ""]
    (types / "index.ts").write_text("\n".join(lines), encoding="utf-8")
    subprocess.run([tools / "tsc"], cwd=TYPESCRIPT, check=True)
    subprocess.run(["npm", "pack", "--silent", "--pack-destination", BUILT], cwd=TYPESCRIPT, check=True)


def build_python() -> None:
    generate()
    wheel = [sys.executable, *["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]]
    subprocess.run([*wheel, BUILT, LIBRARY], check=True)


def main() -> None:
    """Build the libraries of the languages that are named, into var/clients."""
    BUILT.mkdir(parents=True, exist_ok=True)
    for language in sys.argv[1:]:
        {"python": build_python, "typescript": build_typescript}[language]()
    print(*(made.relative_to(ROOT) for made in sorted(BUILT.iterdir())), sep="\n")


if __name__ == "__main__":
    main()
