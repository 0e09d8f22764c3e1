# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this collection says of itself: its version, and the options of its modules, taken from their documentation."""

from __future__ import annotations

import copy
import functools
import importlib
import pathlib
import typing as t

import yaml
from ansible.plugins.loader import fragment_loader
from ansible.utils.plugin_docs import get_docstring

COLLECTION = "lithnet.access_manager"
SECRET_OPTIONS = frozenset(
    {"bind_password", "identity", "identity_passphrase", "passphrase", "secret_key", "secrets", "session_token"}
)
"""The options whose values never appear in a result."""

_TAKEN = ("type", "required", "default", "elements", "aliases")


def version() -> str:
    """The version of this collection, from the file that a build puts into it, or from the source's."""
    root = pathlib.Path(__file__).parents[2]
    manifest = root / "MANIFEST.json"
    if manifest.exists():
        return str(yaml.safe_load(manifest.read_text())["collection_info"]["version"])
    return str(yaml.safe_load((root / "galaxy.yml").read_text())["version"])


def argument_spec_of(module: str) -> dict[str, t.Any]:
    """The argument spec of the module of that name in this collection."""
    return {name: _argument(name, option) for name, option in _documentation(module)[0]["options"].items()}


def returns_of(module: str) -> dict[str, t.Any]:
    """What the module of that name returns, as its documentation says."""
    returns = _documentation(module)[2]
    documented: dict[str, t.Any] = returns if isinstance(returns, dict) else yaml.safe_load(returns)
    return documented


@functools.cache
def _documentation(module: str) -> tuple[t.Any, ...]:
    """Documentation, examples and return values of a module."""
    package = importlib.import_module(f"ansible_collections.{COLLECTION}.plugins.modules")
    path = pathlib.Path(package.__path__[0]) / f"{module}.py"
    return tuple(get_docstring(str(path), fragment_loader, collection_name=COLLECTION, plugin_type="module"))


def _argument(name: str, option: dict[str, t.Any]) -> dict[str, t.Any]:
    argument = {key: copy.deepcopy(option[key]) for key in _TAKEN if key in option}
    argument["no_log"] = name in SECRET_OPTIONS
    if "choices" in option:
        argument["choices"] = list(option["choices"])
    if "suboptions" in option:
        argument["options"] = {key: _argument(key, inner) for key, inner in option["suboptions"].items()}
    return argument
