"""Every source that a rule, a dated value or a measure cites is known, and every known one is cited."""

import pytest

from services.system.registry import deciding_services
from tools.reference.sources_page import SOURCES, citations, cited, of_sources


def test_every_citation_names_known_sources() -> None:
    """Each part of each citation names a source of tools/reference/sources.toml, and each of these is cited."""
    names = set().union(*(cited(citation) for citation, _ in citations(deciding_services())))
    assert names == {source["name"] for source in SOURCES}, "take a source that nothing cites out of sources.toml"


def test_a_source_links_to_what_cites_it() -> None:
    """The page leads from the Magistrates' Courts Act to the rule R21 of disposal, and from KPI 6 to its measure."""
    page = of_sources(deciding_services())["sources.md"]
    (act,) = [line for line in page.splitlines() if "ukpga/1980/43" in line]
    assert "[disposal R21](disposal/rules.md#r21)" in act
    (indicators,) = [line for line in page.splitlines() if "YJB key performance indicators" in line]
    assert "[kpi6](reporting/measures.md#kpi6)" in indicators


@pytest.mark.parametrize("citation", ["the officer's own idea", "MCA 1980 s127; a blog (2014)"])
def test_an_unknown_source_is_refused(citation: str) -> None:
    """Given a citation of which a part names no known source, it is refused with the file that lacks it."""
    with pytest.raises(ValueError, match=r"is no known source: add it to tools/reference/sources\.toml"):
        cited(citation)
