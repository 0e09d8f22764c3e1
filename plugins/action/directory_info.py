# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows on which encryption certificates the passwords in the directory depend, and of which there is a backup."""

from __future__ import annotations

import collections.abc as c
import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._directory import census as census_module
from ..plugin_utils._directory import computers, expiry_summary, publication, uncovered_keys
from ..plugin_utils._directory.census import Census, Lost
from ..plugin_utils._directory.expiry_summary import Expiry
from ..plugin_utils._directory.ldap import Directory, connect, refuse_one_domain_twice
from ..plugin_utils._directory.server_survey import Survey
from ..plugin_utils._errors import AccessManagerError
from ..plugin_utils._shape import ShapeError, checked
from ..plugin_utils._signing.trust import Trust
from ..plugin_utils._store.key_index import KeyIndex
from ..plugin_utils._windows import thumbprints

Result = dict[str, t.Any]
_MOST_LOOKED_FOR = 500
"""How many certificates a server looks for: stored values can claim any number of thumbprints."""

Shape = t.TypeVar("Shape")


class ActionModule(AccessManagerAction):
    survey: Survey | None
    lost: list[str]
    before: Lost | None
    expiry: Expiry | None

    def perform(self) -> Result:
        self._check_options()
        backups = KeyIndex.of(self.params, Trust.of(self.params)) if self.params["backup_root"] else None
        if backups:
            backups.refuse_held(self.lost, keys_lost=self.params["configuration_keys_lost"])
        self.survey = Survey.of(self.params["server"]) if self.params["server"] else None
        result = self._counted(backups) if self.params["census"] else self._published(backups)
        return result | ({"server_problems": self.survey.problems()} if self.survey else {})

    def _forest(self, directory: Directory) -> Result:
        """What a server says of its forest, and of what the survey looks for."""
        if self.survey:
            self.survey.look(directory)
        published = publication.read(directory)
        return {"forest": directory.domain.forest, "server": directory.server, "published": published}

    def _published(self, backups: KeyIndex | None) -> Result:
        """The published certificates alone."""
        forests = dict[str, Result]()
        for server in self.params["servers"]:
            with connect(server, self.params) as directory:
                forests[directory.domain.forest] = self._forest(directory)
        published = _published_thumbprints(forests.values())
        for forest in forests.values():
            if forest["published"]:
                forest["published"] |= _cover(forest["published"]["thumbprint"], backups)
        uncovered = [one for one in published if not _cover(one, backups)["covered"]]
        return {
            "forests": list(forests.values()),
            "thumbprints": published,
            "uncovered": uncovered,
            "problems": list(map(uncovered_keys.problem_of_published, uncovered)),
        }

    def _counted(self, backups: KeyIndex | None) -> Result:
        """The published certificates, and the census."""
        refuse_one_domain_twice(self.params["servers"], self.params)
        whole, domains, forests = Census(), [], dict[str, Result]()
        for server in self.params["servers"]:
            with connect(server, self.params) as directory:
                domain = directory.domain
                census = census_module.take(
                    computers.read(
                        directory, search_base=self.params["search_base"], search_filter=self.params["filter"]
                    )
                )
                forests[domain.forest] = self._forest(directory)
            whole.add(census)
            domains.append(
                {"domain": domain.name, "server": server, "forest": domain.forest} | census_module.result_of(census)
            )
        if self.params["fail_on_unreadable"]:
            computers.refuse_hidden(whole.hidden, whole.examples["hidden"])
        result = _result(census_module.result_of(whole), domains, list(forests.values()), backups)
        _refuse_unknown(self.lost, {key["thumbprint"] for key in result["keys"]}, backups)
        return result | self._lost(result["keys"])

    def _lost(self, keys: list[Result]) -> Result:
        """What depends on lost keys, and with a census before an expiry what remains after it."""
        if not self.before:
            return {"lost": census_module.lost_of(keys, self.lost)}
        lost = census_module.lost_of(keys, thumbprints.parse(self.before["thumbprints"]))
        return {"lost": lost, "summary": expiry_summary.remaining(self.before, lost, self.expiry)}

    def _check_options(self) -> None:
        servers, self.lost = self.params["servers"], thumbprints.parse(self.params["lost_certificates"])
        if not servers:
            raise AccessManagerError("servers is empty: name a domain controller of each domain.")
        if self.params["search_base"] and len(servers) > 1:
            raise AccessManagerError(
                "search_base lies in one domain, but several servers are given: ask each domain for itself."
            )
        if not self.params["census"] and (self.lost or self.params["before"] or self.params["expiry"]):
            raise AccessManagerError(
                "lost_certificates, before and expiry are for a census: leave them out, or set census to true."
            )
        self.before = self._returned("before", Lost, "'lost' of an earlier result of directory_info")
        self.expiry = self._returned("expiry", Expiry, "the result of directory_password_expiry")
        if self.expiry and not self.before:
            raise AccessManagerError("expiry needs before: give it 'lost' of the census before the expiry.")

    def _returned(self, option: str, shape: type[Shape], what: str) -> Shape | None:
        """What an option repeats of an earlier result. Raises AccessManagerError when it is another value."""
        try:
            return checked(self.params[option], shape, option) if self.params[option] is not None else None
        except ShapeError as exc:
            raise AccessManagerError(f"{exc}: {option} takes {what}.") from exc


def _published_thumbprints(forests: c.Iterable[Result]) -> list[str]:
    return sorted({forest["published"]["thumbprint"] for forest in forests if forest["published"]})


def _result(census: Result, domains: list[Result], forests: list[Result], backups: KeyIndex | None) -> Result:
    published = set(_published_thumbprints(forests))
    unused = {"current": 0, "history": 0, "oldest": None, "newest": None}
    counted = {key["thumbprint"] for key in census["keys"]}
    keys = census["keys"] + [{"thumbprint": thumbprint} | unused for thumbprint in sorted(published - counted)]
    keys = [key | {"published": key["thumbprint"] in published} | _cover(key["thumbprint"], backups) for key in keys]
    for forest in forests:
        if forest["published"]:
            forest["published"] |= _cover(forest["published"]["thumbprint"], backups)
    needed = [key for key in keys if key["current"] or key["history"] or key["published"]]
    uncovered = [key for key in needed if not key["covered"]]
    thumbprints = [key["thumbprint"] for key in sorted(keys, key=_is_unpublished)]
    return census | {
        "keys": keys,
        "domains": domains,
        "forests": forests,
        "thumbprints": thumbprints[:_MOST_LOOKED_FOR],
        "uncovered": [key["thumbprint"] for key in uncovered],
        "problems": list(map(uncovered_keys.problem_of_counted, uncovered)),
    }


def _is_unpublished(key: Result) -> bool:
    return not key["published"]


def _refuse_unknown(lost: list[str], counted: set[str], backups: KeyIndex | None) -> None:
    """Raises AccessManagerError when nothing has to do with a certificate that is said to be lost: a mistyped one."""
    for thumbprint in lost:
        if thumbprint not in counted and not (backups and backups.names(thumbprint)):
            raise AccessManagerError(
                f"The certificate {thumbprint} is not known: no password depends on it, no forest publishes it, and "
                "no backup "
                "names it. Check its digits. If its recovery is complete, nothing is left to do; remove it from "
                "lost_certificates."
            )


def _cover(thumbprint: str, backups: KeyIndex | None) -> Result:
    place = backups.find(thumbprint) if backups else None
    return {"covered": place is not None, "backup": {"host": place.store.host, "id": place.id} if place else None}
