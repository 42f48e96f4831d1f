"""Programs that tests run and that nobody else needs: fetched once from Maven Central, and checked by their hash."""

from dataclasses import dataclass
from pathlib import Path

from tools.local.jars import lock_repository, repository, sha256_of


class NotFetched(Exception):
    """The download is impossible."""


@dataclass(frozen=True, slots=True)
class Program:
    """A file of Maven Central, in one version, and the SHA-256 that is pinned for it."""

    group: str
    artifact: str
    version: str
    sha256: str
    packaging: str = "jar"

    def fetched(self) -> Path:
        """Return the file where Maven keeps it, downloaded if need be, and what was pinned; raises `NotFetched`."""
        import requests  # noqa: PLC0415 - these two only for the download
        from jgo.maven import MavenContext  # noqa: PLC0415

        name = f"{self.artifact}-{self.version}.{self.packaging}"
        path = repository().joinpath(*self.group.split("."), self.artifact, self.version, name)
        with lock_repository():
            try:
                component = MavenContext(repo_cache=repository()).project(self.group, self.artifact)
                component.at_version(self.version).artifact(packaging=self.packaging).resolve()
            except (requests.RequestException, RuntimeError) as error:  # no network, or no such file there
                path.unlink(missing_ok=True)
                raise NotFetched(f"{name} cannot be fetched from Maven Central: {error}") from error
        assert sha256_of(path) == self.sha256, (
            f"{path} is not what is pinned: remove it; if it comes so again, report it"
        )
        return path
