# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a recovery from a lost certificate may change something: each server of the play says that it does not have
the key.
"""

from __future__ import annotations

import collections.abc as c
import typing as t

Result = c.Mapping[str, t.Any]


def refusal(
    servers: c.Mapping[str, Result],
    lost: c.Collection[str],
    *,
    batch: c.Container[str],
    limit: str,
    configuration_keys_lost: bool,
) -> str:
    """Why nothing may be changed, in sentences; empty when a recovery may begin.

    C(servers): what installation_info returned of each server of the play, the one first that works for all; empty for
    one that gave no answer. C(lost): the thumbprints. C(batch): the servers that are asked in this run. C(limit): what
    the run was limited to. C(configuration_keys_lost): whether a person says that keys in configurations are lost.
    """
    sentences = []
    if limit:
        sentences.append(f"--limit {limit} may leave out a server that has the key: run this without --limit.")
    for host, answer in servers.items():
        sentences += _keys_in_stores(host, answer, lost)
        if not configuration_keys_lost:
            sentences += _keys_in_configuration(host, answer, lost)
    silent = [host for host, answer in servers.items() if "certificates" not in answer or host not in batch]
    if silent:
        sentences.append(
            f"Nothing is changed, for {', '.join(silent)} may have the key: each server of the play must say that it "
            "does not, in one batch. Bring those back that failed or are not reached, or take them out of the "
            "inventory if they are gone for good; use no 'serial', and the strategy 'linear'."
        )
    if not lost:
        sentences.append(f"The census of {next(iter(servers))} names no lost certificate.")
    return " ".join(sentences)


def _keys_in_stores(host: str, answer: Result, lost: c.Collection[str]) -> c.Iterator[str]:
    for one in answer.get("certificates", []):
        if one["key"]["present"] and one["thumbprint"] in lost:
            yield f"{host} has the key of certificate {one['thumbprint']}."


def _keys_in_configuration(host: str, answer: Result, lost: c.Collection[str]) -> c.Iterator[str]:
    for thumbprint in answer.get("synchronised_certificates", []):
        if thumbprint in lost:
            yield f"The configuration of {host} holds the key of certificate {thumbprint}."


def without(imports: c.Mapping[str, Result]) -> list[str]:
    """The servers that did not get the new certificate. C(imports): what certificate_import returned; empty where it
    did not run.
    """
    return [host for host, result in imports.items() if not result or any(map(result.get, _NOT_DONE))]


_NOT_DONE = ("failed", "unreachable", "skipped")
