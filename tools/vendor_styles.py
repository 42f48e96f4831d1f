"""`python -m tools.vendor_styles`: fetch the console's stylesheets by npm, check them and write them with their origin.

services/console/static/origin.toml names each package with its version, licence, npm's integrity hash and the SHA-256 of
the file as it is written. The font of GOV.UK may be used on GOV.UK alone, so Arial takes its place. Addresses of pictures
that are not shown here go too, since the pictures are not taken along.
"""

import base64
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from hashlib import sha256, sha512
from pathlib import Path
from typing import Final

STATIC: Final = Path(__file__).parents[1] / "services" / "console" / "static"
ORIGIN: Final = STATIC / "origin.toml"


def adapt_stylesheet(css: str) -> str:
    """Return a stylesheet with Arial for the font of GOV.UK, and without addresses of fonts and pictures."""
    css = re.sub(r"@font-face\{[^}]*\}", "", css)
    css = re.sub(r"GDS Transport,\s*arial", "arial", css)
    css = re.sub(r"url\(/assets/[^)]*\)", "none", css)
    return re.sub(r"/\*# sourceMappingURL=.*?\*/", "", css)


def main() -> None:
    """Fetch every package that the file of origins names; exits 1 if one is not what it says."""
    for file, origin in tomllib.loads(ORIGIN.read_text(encoding="utf-8")).items():
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(
                ["npm", "pack", "--silent", f"{origin['package']}@{origin['version']}"], cwd=folder, check=True
            )
            (archive,) = Path(folder).glob("*.tgz")
            integrity = "sha512-" + base64.b64encode(sha512(archive.read_bytes()).digest()).decode()
            if integrity != origin["integrity"]:
                sys.exit(f"{origin['package']} has the integrity {integrity}, and not the one in {ORIGIN}")
            with tarfile.open(archive) as packed:
                member = packed.extractfile(f"package/{origin['path']}")
                assert member is not None
                css = adapt_stylesheet(member.read().decode())
        (STATIC / file).write_text(css, encoding="utf-8")
        print(f"{file}: sha256 {sha256(css.encode()).hexdigest()}")


if __name__ == "__main__":
    main()
