# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An age plugin for tests, with the protocol of age-encryption.org/plugin: a file key is hidden under the PIN 1234.

It stands for a hardware token: it asks for its PIN to decrypt, counts the PINs it was given in the file that
AGE_PLUGIN_PINS names, and protects nothing.
"""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path

PIN = b"1234"


def hidden(key: bytes) -> bytes:
    """The key under the PIN; the same again brings it back."""
    return bytes(byte ^ PIN[place % len(PIN)] for place, byte in enumerate(key))


def read() -> tuple[list[str], bytes]:
    words = sys.stdin.readline().split()[1:]
    body = ""
    while len(line := sys.stdin.readline().rstrip("\n")) == 64:
        body += line
    body += line
    return words, base64.b64decode(body + "=" * (-len(body) % 4))


def write(*words: str, body: bytes = b"") -> tuple[list[str], bytes]:
    """Writes a stanza, and reads what age answers."""
    text = base64.b64encode(body).decode().rstrip("=")
    lines = [text[start : start + 64] for start in range(0, len(text) + 1, 64)]
    print(" ".join(["->", *words]), *lines, sep="\n", flush=True)
    return read() if words != ("done",) else ([], b"")


def pin_is_right() -> bool:
    write("msg", body=b"Touch the token.")
    words, pin = write("request-secret", body=b"PIN?")
    if words == ["ok"]:
        with Path(os.environ["AGE_PLUGIN_PINS"]).open("ab") as log:
            log.write(pin + b"\n")
    return words == ["ok"] and pin == PIN


def wrap(received: list[tuple[list[str], bytes]]) -> None:
    for words, body in received:
        if words[0] == "wrap-file-key":
            write("recipient-stanza", "0", "test", "first", body=hidden(body))
            write("recipient-stanza", "0", "test", "second", body=hidden(body))


def unwrap(received: list[tuple[list[str], bytes]]) -> None:
    found = [(words[1], body) for words, body in received if words[0] == "recipient-stanza" and words[2] == "test"]
    if found and pin_is_right():
        write("file-key", found[0][0], body=hidden(found[0][1]))
    elif found:
        write("error", "internal", body=b"wrong PIN")


def main() -> None:
    received = []
    while (stanza := read())[0] != ["done"]:
        received.append(stanza)
    {"--age-plugin=recipient-v1": wrap, "--age-plugin=identity-v1": unwrap}[sys.argv[1]](received)
    write("done")


if __name__ == "__main__":
    main()
