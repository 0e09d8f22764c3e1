#!/usr/bin/env python
# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the README of each role from its argument specification and its defaults.

role_readmes.py          writes what is not current
role_readmes.py --check  fails when something is not current, and writes nothing
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "backup": "backup.md",
    "copy": "copies.md",
    "doctor": "doctor.md",
    "drill": "runbook_restore_drill.md",
    "pre_upgrade": "runbook_upgrade.md",
    "prune": "prune.md",
    "recover_certificate": "directory.md",
    "restore": "restore.md",
    "rollback": "runbook_upgrade.md",
    "schedule": "schedule.md",
    "verify": "verify.md",
}
ON_THE_CONTROLLER = {"schedule", "verify"}
_SENTENCE_END = re.compile(r"(?<=[.!?]) (?=[A-Z`*])")
_NOTHING = ("", "omit", "''", "[]")

PAGE = """\
<!--
Copyright (c) 2026, lithnet.access_manager contributors
GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
SPDX-License-Identifier: GPL-3.0-or-later
Made by tests/tools/role_readmes.py from meta/argument_specs.yml and defaults/main.yml.
-->
# lithnet.access_manager.{role}

{title}.
{description}

```yaml
- name: {title}
  hosts: {hosts}
  gather_facts: false
  roles:
    - role: lithnet.access_manager.{role}
```

{playbook}[docs/{page}](https://github.com/lithnet/ansible-access-manager/blob/main/docs/{page}) explains it.

| option | type | default | meaning |
|---|---|---|---|
{options}
"""

_PLAYBOOK = "The playbook `lithnet.access_manager.{role}` does this for a whole inventory.\n"


def readme(role: str) -> str:
    """The README of a role."""
    folder = ROOT / "roles" / role
    spec = _load(folder / "meta/argument_specs.yml")["argument_specs"]["main"]
    defaults = _load(folder / "defaults/main.yml")
    rows = [_row(name, option, defaults) for name, option in spec["options"].items()]
    sentences = [_SENTENCE_END.sub("\n", _markdown(text)) for text in spec["description"]]
    playbook = _PLAYBOOK.format(role=role) if (ROOT / f"playbooks/{role}.yml").exists() else ""
    return PAGE.format(
        role=role,
        title=spec["short_description"],
        description="\n".join(sentences),
        hosts="localhost" if role in ON_THE_CONTROLLER else "access_manager",
        playbook=playbook,
        page=PAGES[role],
        options="\n".join(rows),
    )


def _load(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def _row(name: str, option: dict[str, Any], defaults: dict[str, Any]) -> str:
    kind = f"{option['type']} of {option['elements']}" if "elements" in option else option["type"]
    cells = (f"`{name}`", kind, _default(defaults.get(name, option.get("default"))), _meaning(option))
    return f"| {' | '.join(cells)} |"


def _default(value: Any) -> str:
    """A default as a reader sees it: of C({{ variable | default(omit) }}) the variable."""
    variable = re.fullmatch(r"\{\{ (\w+)(?: \| default\((.*)\))? \}\}", str(value))
    if value == "{{ omit }}" or value in (None, ""):
        return ""
    if variable is None:
        return f"`{yaml.safe_dump(value, default_flow_style=True).splitlines()[0]}`"
    name, other = variable[1], (variable[2] or "").partition(" | ")[0]
    return f"`{name}`" + (f", else `{other}`" if other not in _NOTHING else "")


def _meaning(option: dict[str, Any]) -> str:
    """The description of an option, its choices, and the options inside it, in one cell."""
    texts = option["description"] if isinstance(option["description"], list) else [option["description"]]
    inner = [f"`{name}`: {_meaning(suboption)}" for name, suboption in option.get("options", {}).items()]
    choices = [f"Choices: {', '.join(f'`{choice}`' for choice in option['choices'])}."] if "choices" in option else []
    required = ["Required."] if option.get("required") else []
    return "<br>".join([_markdown(" ".join([*texts, *choices, *required])), *inner]).replace("|", "\\|")


def _markdown(text: str) -> str:
    """Ansible's markup as Markdown."""
    text = re.sub(r"[BCOVI]\(([^)]*)\)", r"`\1`", " ".join(text.split()))
    text = re.sub(r"M\(([^)]*)\)", r"the module `\1`", text)
    return re.sub(r"L\(([^,]*),([^)]*)\)", r"[\1](\2)", text)


def main(arguments: list[str]) -> int:
    stale = []
    for folder in sorted((ROOT / "roles").iterdir()):
        path, text = folder / "README.md", readme(folder.name)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(str(path.relative_to(ROOT)))
            if "--check" not in arguments:
                path.write_text(text, encoding="utf-8")
    if stale and "--check" in arguments:
        print(f"Not current: {', '.join(stale)}. Run tests/tools/role_readmes.py.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
