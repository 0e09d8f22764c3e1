# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every action of this collection does around its own steps: options in, results and sentences out."""

from __future__ import annotations

import functools
import traceback
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from . import _display, _progress
from ._collection import SECRET_OPTIONS, argument_spec_of, returns_of
from ._errors import AccessManagerError, UnreachableError
from ._target.call import Target, put_aside
from ._text import printable_data, printable_lines

_OWN_KEYS = frozenset({"changed", "failed", "msg", "reachable"})
"""What a result may have beside what its module documents: C(reachable) says whether a failure came from the
connection."""

_DIFF_KEYS = frozenset({"before", "after", "before_header", "after_header", "prepared"})


class AccessManagerAction(ActionBase):
    """Validates the options by the module's documentation, runs C(perform), and turns errors into sentences."""

    _supports_check_mode = True
    _supports_diff = True

    negative_options: t.ClassVar[frozenset[str]] = frozenset()
    """The options that may be negative numbers; no other may."""

    task_vars: dict[str, t.Any]
    """The variables of the task's host."""

    params: dict[str, t.Any]
    """The validated options."""

    _no_log_values: set[str]
    """The values of secret options."""

    warnings: list[str]
    """Sentences of the action that Ansible shows as warnings; no key of a result becomes one."""

    def perform(self) -> dict[str, t.Any]:
        """What the module does; returns its result."""
        raise NotImplementedError

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        self.task_vars = task_vars or {}
        self.warnings = []
        _progress.set_label(str(self.task_vars.get("inventory_hostname", "")), wanted=self._wants_progress())
        self._no_log_values = set()
        try:
            self.params = self._validated()
            result = self._visible({"changed": False} | self.perform())
        except AccessManagerError as exc:
            failure = {
                "failed": True,
                "changed": exc.changed,
                "msg": str(exc),
                "reachable": not isinstance(exc, UnreachableError),
            }
            result = self._visible(failure)
            if _display.is_debugging():
                result["exception"] = printable_lines(traceback.format_exc())
        result["warnings"] = printable_data(self.warnings)
        return self.cleaned(result)

    def cleaned(self, result: dict[str, t.Any]) -> dict[str, t.Any]:
        """A result without the values of secret options, and without what the target was sent of secrets."""
        hidden = self._no_log_values | self.target.hidden
        clean: dict[str, t.Any] = remove_values(result, hidden) if hidden else result
        return clean

    def _wants_progress(self) -> bool:
        given = self._templar.template(self.task_vars.get(_progress.VARIABLE, True))
        return bool(boolean(given, strict=False))

    @property
    def check_mode(self) -> bool:
        return bool(self._task.check_mode)

    @property
    def module_name(self) -> str:
        """The name of this action without its collection."""
        return str(self._task.resolved_action or self._task.action).rsplit(".", 1)[-1]

    @property
    def host(self) -> str:
        """The name under which this host's backups lie."""
        return str(self.params.get("host") or self.task_vars["inventory_hostname"])

    @functools.cached_property
    def target(self) -> Target:
        """The server of this task."""
        return Target(self, self.module_name, self.task_vars)

    def _parse_returned_data(self, res: dict[str, t.Any], *profile: t.Any) -> t.Any:
        """Ansible's own reader of a module's output, which would act on keys of the answer."""
        return super()._parse_returned_data(put_aside(res), *profile)

    def _validated(self) -> dict[str, t.Any]:
        self._refuse_numbers_for_secrets()
        validator = ArgumentSpecValidator(argument_spec_of(self.module_name))
        result = validator.validate(dict(self._task.args))
        self._no_log_values = set(result._no_log_values)
        if result.error_messages:
            raise AccessManagerError("; ".join(result.error_messages))
        validated: dict[str, t.Any] = result.validated_parameters
        for option in sorted(validated.keys() - self.negative_options):
            if isinstance(validated[option], int | float) and validated[option] < 0:
                raise AccessManagerError(f"{option} is {validated[option]}: it cannot be negative.")
        return validated

    def _refuse_numbers_for_secrets(self) -> None:
        """Raises AccessManagerError for a secret that YAML takes for a number: its text would be another."""
        for option in SECRET_OPTIONS.intersection(self._task.args):
            given = self._task.args[option]
            values = given.values() if isinstance(given, dict) else [given]
            if not all(isinstance(value, (str, type(None))) for value in values):
                holds = "holds" if isinstance(given, dict) else "is"
                raise AccessManagerError(
                    f"{option} {holds} a number, a date or a truth value for YAML, so another text than you wrote "
                    "would be used: put it in quotes."
                )

    def _visible(self, result: dict[str, t.Any]) -> dict[str, t.Any]:
        """What Ansible sees of a result: the keys that the module documents and C(_OWN_KEYS), with every text
        printable.

        Ansible acts on other keys, such as ansible_facts and add_host, and a result repeats what servers and stores
        say.
        """
        visible: dict[str, t.Any] = printable_data({key: result[key] for key in _OWN_KEYS & result.keys()})
        visible |= printable_data(_documented(result, returns_of(self.module_name)))
        for key in sorted(result.keys() - visible.keys() - {"diff"}):
            _display.debug(f"{self.module_name} does not document '{key}', which is left out.")
        if "diff" in result:
            visible["diff"] = {
                key: printable_lines(str(result["diff"][key])) for key in _DIFF_KEYS & result["diff"].keys()
            }
        return visible


def _documented(value: t.Any, returns: dict[str, t.Any]) -> t.Any:
    """What a documentation of return values lists of a value, or of each entry of a list."""
    if isinstance(value, (list, tuple)):
        return [_documented(entry, returns) for entry in value]
    if not isinstance(value, dict):
        return value
    visible = {key: value[key] for key in returns if key in value}
    for key in visible:
        if "contains" in returns[key]:
            visible[key] = _documented(visible[key], returns[key]["contains"])
    return visible
