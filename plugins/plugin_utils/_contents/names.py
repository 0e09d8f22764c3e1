# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a file is named in a backup, and how that name leads back to its path on the server."""

from __future__ import annotations

import collections.abc as c
import re
import unicodedata

STATE, FILES = "state/installation.json", "files.json"
"""What config.zip holds beside files of the server."""

PASSWORDS = "passwords.json"
"""The file of certificates.zip with the password of each PFX, by thumbprint."""

BINDING, BINDING_KEY = "backup.json", "backup"
"""Where a part says to which backup it belongs: the entry of a zip, the key of secrets.json."""

_NAME = re.compile(r"(config|external/[A-Za-z])(/[^/\\:*?\"<>|\x00-\x1f\ud800-\udfff]+)*")
_LONGEST_NAME = 16_000
"""Letters: the name of a zip's entry has 64 KiB of UTF-8."""

_DEVICE = re.compile(r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9\xb9\xb2\xb3]) *(?:\..*)?", re.IGNORECASE)
"""A name that Windows takes for a device, whatever follows its first dot."""

_DIRECTIONS = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Letters without a shape that change the direction of text: a name with one reads as another."""

_SHORT_NAME = re.compile(r"(?=.{1,8}(?:\.|$))[^.~]{1,6}~[0-9]{1,6}(?:\.[^.]{1,3})?")
"""A name of 8 and 3 letters, as Windows makes it for a longer one."""


def path_of(name: str, root: str) -> str:
    """Where a file of a backup belongs on the server."""
    place, _slash, rest = name.rstrip("/").partition("/")
    if place == "config":
        return f"{root}\\{rest}".replace("/", "\\").rstrip("\\")
    drive, _slash, rest = rest.partition("/")
    return f"{drive}:\\{rest}".replace("/", "\\")


def is_name_of_backup(name: str) -> bool:
    """Whether a server may send a file or folder of that name: it lies below config or a drive, and nowhere else."""
    return (
        len(name) <= _LONGEST_NAME
        and _NAME.fullmatch(name) is not None
        and not {".", ".."}.intersection(name.split("/"))
    )


def is_portable_name(name: str) -> bool:
    """Whether a file or folder of a backup may have that name: Windows can have it as well.

    Windows itself makes no file with the name of a device, or one that ends with a dot or a space.
    """
    return is_name_of_backup(name) and all(map(_is_portable, name.split("/")))


def _is_portable(step: str) -> bool:
    return not step.endswith((".", " ")) and not _DEVICE.fullmatch(step) and not _DIRECTIONS.search(step)


def twins(names: c.Iterable[str]) -> tuple[str, str] | None:
    """Two names that are one on Windows, where capitals do not count, or that look the same; None when there are none.
    """
    seen: dict[str, str] = {}
    for name in names:
        twin = seen.setdefault(_folded(name), name)
        if twin is not name:
            return twin, name
    return None


def left_out(names: c.Iterable[str]) -> dict[str, str]:
    """The names that a backup does not hold, and why each is none: it is not portable, or the twin of one that is held.

    What lies in a folder that is left out is left out with it, and has no reason of its own.
    """
    found: dict[str, str] = {}
    held: dict[str, str] = {}
    for name in sorted(names):  # a folder comes before what is in it
        if name.rpartition("/")[0] in found:
            found[name] = ""
        elif not is_portable_name(name):
            found[name] = "Windows cannot have such a name, or not without tricks"
        elif (twin := held.setdefault(_folded(name), name)) != name:
            found[name] = f"Windows takes its name for that of '{twin}', or it looks the same"
    return found


def _folded(name: str) -> str:
    """The name in capitals as NTFS makes them, letter by letter, with each accent in its letter."""
    return "".join(
        upper if len(upper := letter.upper()) == 1 else letter for letter in unicodedata.normalize("NFC", name)
    )


def may_stand_for(written: str, path: str) -> bool:
    """Whether Windows may read a path as another: capitals, dots at the end of a name and short names such as PROGRA~1
    differ.
    """
    names, meant = _steps(written), _steps(path)
    if len(names) != len(meant):
        return False
    return all(name == other or _SHORT_NAME.fullmatch(name) for name, other in zip(names, meant, strict=True))


def _steps(path: str) -> list[str]:
    return [step.rstrip(". ") for step in path.lower().split("\\")]
