# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports all parts of a backup, and encrypts each: from a server that runs, or with a stop of its service."""

from __future__ import annotations

import dataclasses
import typing as t

from ..plugin_utils._action import AccessManagerAction
from ..plugin_utils._age.encryption import Encryptor
from ..plugin_utils._ams.constants import knowledge
from ..plugin_utils._parts.certificates import CertificatesPart
from ..plugin_utils._parts.configuration import ConfigurationPart
from ..plugin_utils._parts.part import open_backup
from ..plugin_utils._parts.secrets import SETTINGS, SecretsPart
from ..plugin_utils._target import interrupted_stops
from ..plugin_utils._target.answers import EXPORTED_OR_NOT, EncryptedSecrets, Exported, ExportedWithStop, Unsteady
from ..plugin_utils._target.call import Run, new_run
from ..plugin_utils._target.envelope import CallKey
from ..plugin_utils._target.live_configuration import INLINE_LIMIT
from ..plugin_utils._target.run_with_stop import RunWithStop, keeps_changing, refuse_live_database
from ..plugin_utils._windows import thumbprints

_INLINE_LIMIT_OF_RUN = 2 * 1024 * 1024
"""Bytes of a configuration that come with the result of a detached run, which passes a file and two texts more."""

_OPTIONS_OF_A_RUN = ("include_database", "force_stop", "service_timeout", "lock_timeout")


_Encryptors = tuple[Encryptor, Encryptor]


@dataclasses.dataclass(frozen=True)
class _Parts:
    """The parts of one call, encrypted to its key."""

    key: CallKey
    config: ConfigurationPart
    certificates: CertificatesPart
    secrets: SecretsPart

    def receive(self, answer: Exported | ExportedWithStop) -> dict[str, t.Any]:
        """Takes what the server sent, the certificates before the secrets."""
        config = self.config.receive(answer["config"])
        certificates = self.certificates.receive(answer["certificates"])
        secrets = self.secrets.receive(answer["secrets"])
        return {
            "attempts": answer["attempts"],
            "retries": config["retries"],
            "stopped": config["stopped"],
            "downtime_ms": config["downtime_ms"],
            "names_with_spn": config["names_with_spn"],
            "notices": secrets["notices"],
            "problems": config["problems"] + certificates["problems"] + secrets["problems"],
        }


class ActionModule(AccessManagerAction):
    def perform(self) -> dict[str, t.Any]:
        policy, with_database = self.params["stop_service"], self.params["include_database"]
        refuse_live_database(policy, include_database=with_database)
        encryptors = self._encryptors()
        if self.check_mode:
            return {"changed": True}
        if policy == "always" or with_database:
            return self._with_stop(encryptors)
        result = self._live(encryptors)
        if result["steady"]:
            return result
        if policy == "never" or self.params["stop_obstacles"]:
            raise keeps_changing(self.target.label, result["attempts"], self._advice())
        return self._with_stop(encryptors) | {"live_attempts": result["attempts"]}

    def _encryptors(self) -> _Encryptors:
        """Of the certificates, and of the other parts."""
        recipients = self.params["certificate_recipients"] or self.params["recipients"]
        return Encryptor.of(self.params | {"recipients": recipients}), Encryptor.of(self.params)

    def _live(self, encryptors: _Encryptors) -> dict[str, t.Any]:
        """The parts of the server as it runs; C(steady) is false when its configuration changed each time."""
        return self.target.retry_with_new_run(self._new_run, lambda run: self._export_live(run, encryptors))

    def _export_live(self, run: Run, encryptors: _Encryptors) -> dict[str, t.Any]:
        parts = self._parts(encryptors)
        question = self._question(parts, INLINE_LIMIT) | {"step": "take", "stop": False}
        answer: Unsteady | Exported = self.target.call(run | question, EXPORTED_OR_NOT, repeatable=False)
        if answer["steady"] is False:
            return {"steady": False, "attempts": answer["attempts"]}
        result = parts.receive(answer)
        if answer["config"]["path"]:
            self.target.remove_sent(run)
        return {"changed": True, "steady": True, "copied": "live", "live_attempts": answer["attempts"]} | result

    def _with_stop(self, encryptors: _Encryptors) -> dict[str, t.Any]:
        """The parts as one run takes them that stops the service, and starts it again."""
        parts, run = self._parts(encryptors), self._new_run()
        arguments = run | self._question(parts, _INLINE_LIMIT_OF_RUN) | {"stop": True}
        with self.target.cleanup_on_failure(run):
            detached = RunWithStop(self.target, arguments, ExportedWithStop)
            answer = detached.result()
            if detached.was_started_by_task:
                answer["secrets"] = self._secrets_by_account_of_the_run(parts.secrets)
            stops = interrupted_stops.warn(answer["interrupted_stops"], self.target.label)
            result = parts.receive(answer)
        self.target.remove_sent(run)
        how = {key: answer[key] for key in ("consistent", "stop_ms", "unlock_ms", "start_ms")}
        return {"changed": True, "copied": "stopped", "live_attempts": 0, "interrupted_stops": stops} | how | result

    def _secrets_by_account_of_the_run(self, part: SecretsPart) -> EncryptedSecrets:
        """What the account of the connection may decrypt: a scheduled task tries it as SYSTEM."""
        return self.target.call(part.question, EncryptedSecrets, module=part.context)

    def _new_run(self) -> Run:
        return new_run(self.params["staging_root"])

    def _parts(self, encryptors: _Encryptors) -> _Parts:
        of_certificates, of_others = encryptors
        key = CallKey()
        where = self.target, open_backup(self.params, self.host)
        wanted = {option: self.params[option] for option in ("expected_bytes", "include_database")}
        return _Parts(
            key,
            ConfigurationPart(*where, of_others, key, **wanted),
            CertificatesPart(*where, of_certificates, key, named=self._named),
            SecretsPart(*where, of_others, key),
        )

    @property
    def _named(self) -> list[str]:
        """The thumbprints that the directory names."""
        return thumbprints.parse(self.params["thumbprints"])

    def _question(self, parts: _Parts, inline_limit: int) -> dict[str, t.Any]:
        return {
            "knowledge": knowledge(self._named),
            "settings": SETTINGS,
            "public_key": parts.key.public,
            "inline_limit": inline_limit,
        } | {option: self.params[option] for option in _OPTIONS_OF_A_RUN}

    def _advice(self) -> str:
        """How a stop is made possible, for a configuration that keeps changing."""
        if self.params["stop_service"] == "never":
            return "allow a stop with backup_stop_service=auto (stop_service of this module)."
        return f"see that the service could start again after a stop: {' '.join(self.params['stop_obstacles'])}"
