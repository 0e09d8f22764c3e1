# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module as the process of a scheduled task runs it: Ansible's own script, and the module as the input of that."""

from __future__ import annotations

import base64
import collections.abc as c
import gzip
import pkgutil
import typing as t

from .._errors import AccessManagerError

_SCRIPT = ("ansible.executor.powershell", "bootstrap_wrapper.ps1")


def task_payload(action: t.Any, module: str, arguments: c.Mapping[str, t.Any], task_vars: dict[str, t.Any]) -> str:
    """The script and its input, with a zero byte between them, packed for the option C(payload).

    C(module): its full name.
    """
    script = pkgutil.get_data(*_SCRIPT)
    if script is None:
        raise AccessManagerError(
            f"This ansible-core has no {_SCRIPT[1]}. Use one of the versions that the README names."
        )
    module_args = dict(arguments)
    action._update_module_args(module, module_args, task_vars)
    built, _path = action._configure_module(module_name=module, module_args=module_args, task_vars=task_vars)
    return base64.b64encode(gzip.compress(script + b"\0" + built.b_module_data)).decode("ascii")
