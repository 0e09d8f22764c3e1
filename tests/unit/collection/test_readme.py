# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README has the headings that certification asks for, one page, and links that work wherever it is shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
REPOSITORY = "https://github.com/lithnet/ansible-access-manager/blob/main/"
HEADINGS = [
    "Description",
    "Use cases",
    "Requirements",
    "Installation",
    "Testing",
    "Contributing",
    "Support",
    "Release notes and roadmap",
    "Related information",
    "License information",
]


PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *ROOT.glob("roles/*/README.md"),
    *ROOT.glob("docs/*.md"),
    *ROOT.glob("docs/docsite/rst/*.rst"),
]


def links(path: Path) -> list[str]:
    """The links of a page in Markdown or reStructuredText."""
    text = path.read_text(encoding="utf-8")
    return re.findall(r"\]\(([^)\s]+)\)" if path.suffix == ".md" else r"<(https://[^>]+)>`__", text)


def pages_and_links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        yield from ((page, link) for link in links(page))


def anchors(path: Path) -> set[str]:
    """The names that the headings of a page get on GitHub and Galaxy."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.S | re.M)
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_has_the_headings_of_certification_on_one_page() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [heading for heading in re.findall(r"^## (.+)$", text, re.M) if heading in HEADINGS] == HEADINGS
    assert len(text.splitlines()) <= 150


def test_the_readme_names_all_that_the_collection_has() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    kinds = ("playbooks/*.yml", "plugins/modules/*.py", "plugins/filter/*.yml")
    assert not [path.stem for kind in kinds for path in ROOT.glob(kind) if f"`{path.stem}`" not in text]


def test_links_to_the_repository_are_absolute_and_lead_to_files() -> None:
    pages = [ROOT / "README.md", *ROOT.glob("roles/*/README.md"), *ROOT.glob("docs/*.md")]
    for page in pages:
        found = links(page)
        assert not [link for link in found if link.startswith("../")], page
        for link in found:
            if link.startswith(REPOSITORY):
                assert (ROOT / link.removeprefix(REPOSITORY).partition("#")[0]).exists(), (page, link)
        if page.parent.name != "docs":
            assert all(link.startswith(("https://", "#")) for link in found), page


def test_links_lead_to_pages_and_headings_that_are_there() -> None:
    for page, link in pages_and_links():
        name, _hash, heading = link.removeprefix(REPOSITORY).partition("#")
        if name.startswith("https://"):
            continue
        folder = ROOT if link.startswith(REPOSITORY) else page.parent
        linked = folder / name if name else page
        assert linked.exists(), (page, link)
        assert not heading or heading in anchors(linked), (page, link)
