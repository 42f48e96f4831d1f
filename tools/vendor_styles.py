"""`python -m tools.vendor_styles`: fetch the console's stylesheets by npm, which checks them, and write them.

tools/styles locks the packages; services/console/static/origin.toml names in each the file that is taken, its licence and the
SHA-256 of the file as it is written. The font of GOV.UK may be used on GOV.UK alone, so Arial takes its place. Addresses of
pictures that are not shown here go too, since the pictures are not taken along.
"""

import re
import shutil
import subprocess
import tempfile
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Final

LOCKED: Final = Path(__file__).parent / "styles"
STATIC: Final = Path(__file__).parents[1] / "services" / "console" / "static"


def adapt_stylesheet(css: str) -> str:
    """Return a stylesheet with Arial for the font of GOV.UK, and without addresses of fonts and pictures."""
    css = re.sub(r"@font-face\{[^}]*\}", "", css)
    css = re.sub(r"GDS Transport,\s*arial", "arial", css)
    css = re.sub(r"url\(/assets/[^)]*\)", "none", css)
    return re.sub(r"/\*# sourceMappingURL=.*?\*/", "", css)


def main() -> None:
    """Fetch every package, and write the files that are taken."""
    origins = tomllib.loads((STATIC / "origin.toml").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(LOCKED, folder, dirs_exist_ok=True)
        subprocess.run(["npm", "ci", "--silent", "--ignore-scripts"], cwd=folder, check=True)
        for file, origin in origins.items():
            css = adapt_stylesheet((Path(folder) / "node_modules" / origin["path"]).read_text(encoding="utf-8"))
            (STATIC / file).write_text(css, encoding="utf-8")
            print(f"{file}: sha256 {sha256(css.encode()).hexdigest()}")


if __name__ == "__main__":
    main()
