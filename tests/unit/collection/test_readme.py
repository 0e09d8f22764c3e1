# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README has the headings that certification asks for, one page, and links that work wherever it is shown."""

from __future__ import annotations

import re
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


def links(path: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8"))


def test_the_readme_has_the_headings_of_certification_on_one_page() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [heading for heading in re.findall(r"^## (.+)$", text, re.M) if heading in HEADINGS] == HEADINGS
    assert len(text.splitlines()) <= 150


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


def test_pages_link_to_pages_that_are_there() -> None:
    for page in ROOT.glob("docs/*.md"):
        for link in links(page):
            if not link.startswith(("https:", "http:", "#")):
                assert (page.parent / link.partition("#")[0]).exists(), (page, link)
