"""`python -m tools.local.fetch`: what a first start would fetch, now; nothing if it is there. For `make install`.

With `--aot-cache` it also runs Kafka once so that later starts are quicker (kafka.AOT_CACHE), for `make test`. With
`--list` it prints what kafka-jars.txt should hold, from a fresh resolution of jars.ENDPOINT.
"""

import asyncio
import os
import sys

from tools.local import kafka
from tools.local.errors import CannotStart
from tools.local.jars import ENDPOINT, Jar, is_download_needed, kafka_jars, repository, resolve, sha256_of


def main() -> None:
    """Fetch Apache Kafka if it is missing and wanted; exit 1, saying what to do, if that fails."""
    if sys.argv[1:] == ["--list"]:
        _print_list()
        return
    if os.environ.get("OOC_KAFKA"):
        return
    if is_download_needed():
        print("Fetching Apache Kafka from Maven Central (45 MB, half a minute, once)", flush=True)
        try:
            kafka_jars()
        except CannotStart as error:
            sys.exit(f"\n{error}")
    if sys.argv[1:] == ["--aot-cache"] and not kafka.has_aot_cache():
        print("Running Kafka once, so that it starts in half the time (ten seconds, once)", flush=True)
        try:
            asyncio.run(kafka.make_aot_cache())
        except (CannotStart, OSError) as error:
            print(f"It will start as slowly as ever: {error}")


def _print_list() -> None:
    wanted = set(resolve())
    jars = []
    for path in repository().rglob("*.jar"):
        if path.name in wanted:
            *group, artifact, version, _ = path.relative_to(repository()).parts
            jars.append(Jar(".".join(group), artifact, version, sha256_of(path)))
    sys.stdout.write(f"# {ENDPOINT}, by `python -m tools.local.fetch --list`: SHA-256, group:artifact:version\n")
    sys.stdout.writelines(f"{jar}\n" for jar in sorted(jars))


if __name__ == "__main__":
    main()
