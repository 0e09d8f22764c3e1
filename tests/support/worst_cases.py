# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the largest inputs cost that the collection still takes: seconds and memory, each in a process of its own.

For `bench.py worst`. The collection must be importable: Ansible's loader knows it.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import gzip
import io
import multiprocessing
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyrage
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._age import header
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._age.decryption import LARGEST, Decryptor
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._age.identities import Identities
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._ams import json_document
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.zip_directory import MOST_ENTRIES
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.zip_reader import Archive
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._contents.zip_writer import Entry, zip_chunks
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store import manifest as manifest_module
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._target.envelope import (
    LARGEST_ANSWER,
    CallKey,
    Envelope,
)
from unit.target_side import encrypt, protect

MEBIBYTE = 1024**2
Read = Callable[[], object]
CONTEXT = "artifact_fetch"


def manifest() -> Read:
    data = keys(manifest_module.MOST_VALUES)
    return lambda: json_document.strict(data, manifest_module.MOST_VALUES)


def file_list() -> Read:
    data = keys(json_document.MOST_VALUES)
    return lambda: json_document.strict(data)


def keys(count: int) -> bytes:
    """An object of as many keys."""
    return "{{{}}}".format(",".join(f'"{number:07x}":0' for number in range(count))).encode()


def configuration() -> Read:
    data = b'{"a":[' + b"{}," * (json_document.MOST_PLACED_VALUES // 2 - 2) + b"0]}"
    return lambda: json_document.parse(data)


def age_header() -> Read:
    """As many stanzas as are read, with bodies that fill the header."""
    line = b"-> ssh-rsa abcd\n"
    room = header.MOST_BYTES // header.MOST_STANZAS - len(line) - 8
    body = base64.b64encode(os.urandom(room * 3 // 4 * 60 // 64)).rstrip(b"=")
    lines = b"\n".join(body[at : at + 64] for at in range(0, len(body) // 64 * 64 + 60, 64))
    return _opening(
        header.VERSION + (line + lines + b"\n") * header.MOST_STANZAS + b"--- " + b"A" * 43 + b"\n" + bytes(48)
    )


def work_factor() -> Read:
    encrypted = pyrage.passphrase.encrypt(b"content", "correct horse")
    return _opening(re.sub(rb"(-> scrypt \S+) [0-9]+", rb"\1 %d" % header.MOST_WORK, encrypted, count=1))


def zip_directory() -> Read:
    moment = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    data = b"".join(zip_chunks(Entry(f"config/{number}", moment) for number in range(MOST_ENTRIES)))
    return lambda: Archive(data, "config.zip")


def answer() -> Read:
    key = CallKey()
    envelope = Envelope(CONTEXT, key)
    sent = protect(bytes(LARGEST_ANSWER), key.public, CONTEXT)
    return lambda: envelope.decrypt(sent)


def stream() -> Read:
    key = CallKey()
    envelope = Envelope(CONTEXT, key)
    packed = gzip.compress(bytes(64 * MEBIBYTE), 1) * (LARGEST // (64 * MEBIBYTE))
    sent, ciphertext = encrypt(packed, key.public, CONTEXT, compress=False)

    def read() -> None:
        unpacked = envelope.decrypted_stream(sent, io.BytesIO(ciphertext))
        while unpacked.read(MEBIBYTE):
            pass

    return read


CASES: dict[str, Callable[[], Read]] = {
    f"a manifest of {manifest_module.MOST_VALUES} values": manifest,
    f"a list of files of {json_document.MOST_VALUES} values": file_list,
    f"a configuration of {json_document.MOST_PLACED_VALUES} values": configuration,
    f"an age header of {header.MOST_STANZAS} stanzas and {header.MOST_BYTES // 1024} KiB": age_header,
    f"a passphrase with the work factor {header.MOST_WORK}": work_factor,
    f"a zip of {MOST_ENTRIES} entries": zip_directory,
    f"an answer that unpacks to {LARGEST_ANSWER // MEBIBYTE} MiB": answer,
    f"a stream that unpacks to {LARGEST // MEBIBYTE} MiB": stream,
}


def costs() -> Iterator[tuple[str, float, int]]:
    """Each case by its name, with its seconds and the MiB that it took beside its input."""
    for name, case in CASES.items():
        result: multiprocessing.Queue[tuple[float, int]] = multiprocessing.Queue()
        process = multiprocessing.Process(target=_measure, args=(case, result))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(f"{name}: the process ended with {process.exitcode}")
        yield name, *result.get()


def _measure(case: Callable[[], Read], result: multiprocessing.Queue[tuple[float, int]]) -> None:
    read = case()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins again
    before, start = _memory("VmRSS"), time.monotonic()
    read()
    result.put((time.monotonic() - start, (_memory("VmHWM") - before) // 1024))


def _memory(kind: str) -> int:
    return int(re.findall(rf"{kind}:\s*(\d+)", Path("/proc/self/status").read_text())[0])


def _opening(encrypted: bytes) -> Read:
    """Decrypts it as far as it goes without the right key."""
    decryptor = Decryptor(Identities((pyrage.x25519.Identity.generate(),)), passphrase="another horse")

    def read() -> None:
        with contextlib.suppress(AccessManagerError):
            decryptor.decrypt(Path("config.zip.age"), encrypted)

    return read
