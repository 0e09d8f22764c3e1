# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chain of a host's manifests: each names the one before it by its id and the SHA-256 of its bytes.

Backups that were pruned stay in the chain: their links are kept in a record of the store.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses


@dataclasses.dataclass(frozen=True)
class Link:
    """A manifest in the chain.

    C(sha256): of its bytes. C(previous), C(previous_id): of the one before it, if it names one.
    """

    id: str
    sha256: str
    previous: str | None = None
    previous_id: str | None = None


def problems(
    links: c.Iterable[Link],
    *,
    unreliable: c.Iterable[Link],
    pruned: c.Iterable[Link],
    strangers: c.Iterable[Link] = (),
) -> dict[str, list[str]]:
    """What is wrong with the chain, in sentences, by the id of the backup that each is about.

    C(links): the manifests that are there. C(unreliable): those that are there, but whose word does not count.
    C(pruned): those that were removed by the rules. C(strangers): those that are there, but are not accepted: they
    accuse no other. The first manifest of a chain names none before it.
    """
    reliable = {link.id: link for link in links}
    present = reliable | {link.id: link for link in unreliable}
    removed = {link.sha256: link for link in pruned}
    there = {link.sha256 for link in [*present.values(), *strangers]}
    found: dict[str, list[str]] = {}
    for backup_id, link in sorted(reliable.items()):
        last = _through_the_pruned(link, removed, there)
        if last.previous is None:
            older = {one for one in present if one < backup_id}
            if last is link and older and (older := older - _ids_after(link, [*present.values(), *removed.values()])):
                found.setdefault(backup_id, []).append(
                    f"The backup {backup_id} says that it is the first of its host, but {min(older)} is older."
                )
        elif last.previous not in there:
            about, sentence = _missing(link, last, present)
            found.setdefault(about, []).append(sentence)
    return found


def _ids_after(link: Link, links: c.Iterable[Link]) -> set[str]:
    """The ids of the backups that were made after one, as the chain shows: a clock that was set back gave them older
    ids.
    """
    following: dict[str, list[Link]] = {}
    for one in links:
        if one.previous:
            following.setdefault(one.previous, []).append(one)
    after: dict[str, Link] = {}
    reached = [link]
    while reached:
        new = {one.sha256: one for one in following.get(reached.pop().sha256, []) if one.sha256 not in after}
        after |= new
        reached += new.values()
    return {one.id for one in after.values()}


def _through_the_pruned(link: Link, removed: c.Mapping[str, Link], there: c.Container[str]) -> Link:
    """The last link before one that is there, or before the end, when those in between were pruned."""
    passed: set[str] = set()
    while (previous := link.previous) and previous in removed and previous not in there and previous not in passed:
        passed.add(previous)
        link = removed[previous]
    return link


def _missing(link: Link, last: Link, present: c.Mapping[str, Link]) -> tuple[str, str]:
    """Which backup a broken chain is about, and the sentence. C(last) names a manifest that is nowhere."""
    if last.previous_id in present:
        changed = str(last.previous_id)
        return changed, f"The manifest of {changed} was changed: it is not the one after which {last.id} was made."
    if last.previous_id:
        return link.id, (
            f"The backup {last.previous_id}, which came before {last.id}, is missing, and was not removed by "
            "backup_prune. Whether others right before it are missing too is not known. "
            "If it was deleted on purpose, name it once in forget of backup_prune (prune_forget of the playbook). If "
            "this is a copy, see that '.pruned.jsonl', the record of what was pruned, was copied too."
        )
    return link.id, f"The backup before {last.id} is missing, or its manifest was changed."
