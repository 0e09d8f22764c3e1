# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds secrets where they must not be: each in the forms that logs, files and command lines may hold it in."""

from __future__ import annotations

import base64
import itertools
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

PIECE = 20  # base64 digits: 15 bytes, enough to be no accident, few enough that a line's end seldom falls into it


@dataclass(frozen=True)
class Leak:
    """A secret that was found: which, in what form, and in which file (FILE!MEMBER in a zip)."""

    place: str
    secret: str


def text_needles(label: str, text: str) -> dict[str, bytes]:
    """The byte strings that give a text away. The text: ASCII that no format escapes, 24 or more."""
    utf8, utf16 = text.encode(), text.encode("utf-16-le")
    needles = {f"{label} (UTF-8)": utf8, f"{label} (UTF-16)": utf16}
    needles |= _base64_needles(f"{label} (base64 of UTF-8)", utf8)
    return needles | _base64_needles(f"{label} (base64 of UTF-16)", utf16)


def key_needles(label: str, key: rsa.RSAPrivateKey) -> dict[str, bytes]:
    """The byte strings that give a private key away: its prime p, which every format of a key holds.

    Raw and PEM (DER, PKCS #1, PKCS #8, CNG), little-endian (CryptoAPI), XML and JSON (base64), and hexadecimal.
    """
    prime = key.private_numbers().p
    raw = prime.to_bytes((prime.bit_length() + 7) // 8, "big")
    digits = raw[:24].hex()
    needles = {f"{label} (raw)": raw[:32], f"{label} (little-endian)": raw[::-1][:32]}
    for name, text in (("hex", digits), ("HEX", digits.upper())):
        needles |= {f"{label} ({name})": text.encode(), f"{label} ({name}, UTF-16)": text.encode("utf-16-le")}
    return needles | _base64_needles(f"{label} (base64)", raw)


def _base64_needles(label: str, data: bytes) -> dict[str, bytes]:
    """Pieces of the base64 of anything that contains data, wherever in it data begins and lines end."""
    needles: dict[str, bytes] = {}
    for shift in range(3):
        inner = base64.b64encode(bytes(shift) + data)[4:-4]
        for start in {*range(0, min(len(inner) - PIECE, 170), 53), len(inner) - PIECE}:
            piece = inner[start : start + PIECE]
            needles[f"{label} +{shift}.{start}"] = piece
            needles[f"{label} +{shift}.{start}, UTF-16"] = piece.decode().encode("utf-16-le")
    return needles


def find_leaks(
    place: Path | bytes | str, needles: Mapping[str, bytes], *, shared_files: bool = False
) -> tuple[Leak, ...]:
    """Looks for the needles in a folder, a file, or a text; also in the members of zip files.

    shared_files: also look into files with several hard links: on a lab host those are the system's own.
    """
    if isinstance(place, str):
        place = place.encode("utf-8", "surrogateescape")
    contents = [("", place)] if isinstance(place, bytes) else _contents(place, shared_files)
    return tuple(itertools.chain.from_iterable(_leaks_in(name, data, needles) for name, data in contents))


def _leaks_in(name: str, data: bytes, needles: Mapping[str, bytes]) -> list[Leak]:
    return [Leak(name, secret) for secret, needle in needles.items() if needle in data]


def _contents(root: Path, shared_files: bool) -> Iterator[tuple[str, bytes]]:
    for path in [root] if root.is_file() else sorted(root.rglob("*")):
        if path.is_symlink() or not path.is_file() or (path.stat().st_nlink > 1 and not shared_files):
            continue
        yield str(path), path.read_bytes()
        if zipfile.is_zipfile(path):
            yield from _members(path)


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            yield f"{path}!{name}", archive.read(name)
