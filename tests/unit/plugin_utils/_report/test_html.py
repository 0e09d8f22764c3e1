# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a fleet's backups, as a real browser shows it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._report import html as html_module
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._report import report as report_module
from support.browser import Browser, Scheme, missing
from unit.plugin_utils._report.test_report import hostile
from unit.reports import NOW, backup, fleet, healthy, troubled, verification

pytestmark = pytest.mark.slow

PHONE, DESKTOP = 390, 1280
FLEETS = {
    "one": fleet(1),
    "four": fleet(4),
    "thirty": fleet(30),
    "troubled": troubled() + fleet(2),
    "old": [healthy("ams-old.example.com", 900)],
    "single": [verification("new", [backup("new", NOW - timedelta(minutes=1))])],
    "none": [verification("empty", [], ["There is no backup."])],
    "hostile": hostile(),
    "years": [
        verification(
            "ams1", [backup("ams1", NOW - timedelta(days=days)) for days in (0, 1, 30, 181, 300, 365, 730, 1095)]
        )
    ],
    "to come": [verification("ams1", [backup("ams1", NOW + timedelta(days=days)) for days in (-3, 365 * 40)])],
    "latest": [verification("ams1", [backup("ams1", NOW - timedelta(hours=4))])],
}
FLEETS["latest"][0]["hosts"][0]["counts"] = {"complete": 40, "incomplete": 2, "damaged": 0}
VIEWS: tuple[tuple[int, Scheme], ...] = ((PHONE, "light"), (PHONE, "dark"), (DESKTOP, "light"), (DESKTOP, "dark"))

BEYOND = """[...document.body.querySelectorAll('*')].filter(element => {
    const box = element.getBoundingClientRect();
    const text = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    const wider = text && element.clientWidth && element.scrollWidth > element.clientWidth + 1;
    return box.width && (box.right > innerWidth + 0.5 || box.left < -0.5 || wider);
}).map(element => element.outerHTML.slice(0, 200))"""
"""Elements that lie beyond the window's edge, or whose text is wider than they are."""

CONTRASTS = """(() => {
    const rgb = text => text.match(/[\\d.]+/g).map(Number);
    const light = colour => {
        const linear = part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        const [r, g, b] = colour.slice(0, 3).map(part => linear(part / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ratio = (...colours) => {
        const [lighter, darker] = colours.map(light).sort((x, y) => y - x);
        return (lighter + 0.05) / (darker + 0.05);
    };
    const behind = element => {
        for (let at = element; at; at = at.parentElement) {
            const colour = rgb(getComputedStyle(at).backgroundColor);
            if (colour.length < 4 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
    };
    const found = {};
    const note = (what, value) => { found[what] = Math.min(value, found[what] ?? 99); };
    for (const element of document.body.querySelectorAll('*')) {
        const style = getComputedStyle(element);
        if ([...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()))
            note('text ' + element.tagName + '.' + element.className, ratio(rgb(style.color), behind(element)));
        if (element.matches('use.mark, .curve .line, .curve .stick, .curve .dot') && style.stroke !== 'none')
            note('mark ' + element.getAttribute('class'), ratio(rgb(style.stroke), behind(element)));
        if (element.matches('.bar rect'))
            note('mark bar', ratio(rgb(style.fill), behind(element)));
    }
    return found;
})()"""
"""The least contrast of each kind of text and mark with what is behind it."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if reason := missing():
        pytest.skip(reason)
    with Browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    for name, verifications in FLEETS.items():
        (folder / f"{name}.html").write_text(
            html_module.html_of(report_module.build(verifications), "Access Manager backups")
        )
    return {name: folder / f"{name}.html" for name in FLEETS}


@pytest.mark.parametrize(("name", "view"), list(itertools.product(FLEETS, VIEWS)))
def test_page_in_a_browser(browser: Browser, pages: dict[str, Path], name: str, view: tuple[int, Scheme]) -> None:
    browser.show(pages[name], *view)
    browser.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert browser.requests == [pages[name].as_uri()]
    assert browser.complaints == []
    assert browser.evaluate("document.documentElement.scrollWidth") == view[0]
    assert browser.evaluate(BEYOND) == []
    contrasts = browser.evaluate(CONTRASTS)
    poor = {what: value for what, value in contrasts.items() if value < (4.5 if what.startswith("text") else 3)}
    assert poor == {}
    assert any(what.startswith("text") for what in contrasts)


@pytest.mark.parametrize("name", ["four", "troubled"])
def test_pictures_are_drawn(browser: Browser, pages: dict[str, Path], name: str) -> None:
    browser.show(pages[name], DESKTOP, "light")
    drawn = browser.evaluate("""({
        marks: [...document.querySelectorAll('.track use')]
            .map(one => one.getBBox().width).filter(width => width > 0).length,
        curves: document.querySelectorAll('.curve.size .line').length,
        downtimes: [...document.querySelectorAll('.curve.down .stick')].filter(one => one.getAttribute('d')).length,
        bars: [...document.querySelectorAll('.bar rect')].filter(one => one.getBBox().width > 0).length,
    })""")
    report = report_module.build(FLEETS[name])
    assert drawn["marks"] == sum(len(host["backups"]) for host in report["hosts"])
    assert drawn["curves"] == sum(bool(host["backups"]) for host in report["hosts"])
    assert drawn["downtimes"] == sum(any(one["downtime_ms"] for one in host["backups"]) for host in report["hosts"])
    assert drawn["bars"] > 0


DATES = """[...document.querySelectorAll('.rows .dates span')].filter(one => getComputedStyle(one).display !== 'none')
    .map(one => { const box = one.getBoundingClientRect(); return [box.left, box.right, one.innerText]; })"""


@pytest.mark.parametrize(("name", "width"), list(itertools.product(FLEETS, (PHONE, DESKTOP))))
def test_dates_do_not_lie_upon_each_other(browser: Browser, pages: dict[str, Path], name: str, width: int) -> None:
    browser.show(pages[name], width, "light")
    dates = browser.evaluate(DATES)
    assert dates
    assert all(before[1] < after[0] for before, after in itertools.pairwise(dates)), dates


def test_a_year_is_reported_by_months_and_what_is_older_by_its_number(browser: Browser, pages: dict[str, Path]) -> None:
    browser.show(pages["years"], DESKTOP, "light")
    assert [date[2] for date in browser.evaluate(DATES)] == [
        f"{month} 2026" for month in ("Jan", "Mar", "May", "Jul", "Sep", "Nov")
    ]
    assert browser.evaluate("document.querySelector('.rows .name').innerText") == "ams1 and 2 older"


def test_a_backup_to_come_has_no_age(browser: Browser, pages: dict[str, Path]) -> None:
    browser.show(pages["to come"], PHONE, "light")
    assert "in the future" in browser.evaluate("document.body.innerText")


def test_what_was_not_verified_is_said(browser: Browser, pages: dict[str, Path]) -> None:
    browser.show(pages["latest"], DESKTOP, "light")
    text = browser.evaluate("document.body.innerText")
    assert "Verified 2026-11-23 06:30 UTC: 1 of 42 backups" in text
    browser.show(pages["one"], DESKTOP, "light")
    assert " of " not in browser.evaluate("document.querySelector('header .quiet').innerText")


def test_a_downtime_is_seen_whatever_lies_beside_it(browser: Browser, tmp_path: Path) -> None:
    """A picture of a year has less room than there are days."""
    days = [backup("ams1", NOW - timedelta(days=day), downtime_ms=4000 if day == 1 else 0) for day in (300, 2, 1, 0)]
    (tmp_path / "page.html").write_text(
        html_module.html_of(report_module.build([verification("ams1", days)]), "Backups")
    )
    browser.show(tmp_path / "page.html", DESKTOP, "light")
    assert browser.evaluate("document.querySelector('.curve.down .stick').getAttribute('d')")
    assert "up to 4.0 s" in browser.evaluate("document.body.innerText")


def test_dark_is_dark(browser: Browser, pages: dict[str, Path]) -> None:
    backgrounds: list[Any] = []
    for scheme in ("light", "dark"):
        browser.show(pages["one"], DESKTOP, scheme)
        backgrounds.append(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert backgrounds == ["rgb(244, 246, 249)", "rgb(16, 20, 26)"]


def test_text_of_a_backup_is_text(browser: Browser, pages: dict[str, Path]) -> None:
    browser.show(pages["hostile"], DESKTOP, "light")
    text = browser.evaluate("document.body.innerText")
    assert "<script>alert(1)</script>\\u202e\\x1b[2J{{ 7*7 }}" in text
    assert browser.evaluate("document.scripts.length") == 0
    assert "\u202e" not in text


def test_page_needs_nothing_from_elsewhere(pages: dict[str, Path]) -> None:
    for page in pages.values():
        html = page.read_text()
        assert "Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'" in html
        assert all(
            mark not in html.replace("http-equiv", "")
            for mark in ("http", "url(", "@import", "<link", "<img", "<script", "onload")
        )


def test_thirty_hosts_with_a_year_of_backups_stay_a_page(tmp_path: Path) -> None:
    page = html_module.html_of(
        report_module.build([healthy(f"ams{number}.example.com", 400) for number in range(30)]), "Backups"
    )
    assert len(page.encode()) < 2_500_000
