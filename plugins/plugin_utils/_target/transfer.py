# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an encrypted bundle comes from a target into a file on the controller.

A small one comes with the answer. A larger one lies in a file on the target. Over WinRM one process streams it: the
connection plugin's fetch_file would start one for each 512 KiB. Over PSRP it comes in slices, each a pipeline of the
same process: as one stream it would wait in the target's memory. Either way a transfer that was interrupted goes on
where it ended.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import pathlib
import time
import typing as t

from ansible.errors import AnsibleError

from .. import _display, _progress
from .._age.decryption import LARGEST
from .._errors import AccessManagerError
from .._progress import MEGABYTES, Progress
from .._store.space import NoSpaceError, refuse_without_space
from .answers import Header, Sent
from .connection_errors import is_connection_error

ATTEMPTS = 4
SLICE_BYTES = 8 * 1024 * 1024
_LONGEST_LINE = 128 * 1024
"""Of Base64: send_file.ps1 writes lines of 80 KiB."""

_LONGEST_ERROR = 8 * 1024
_LONGEST_SILENCE = 300
"""Seconds without a byte of a file that lies ready on the target."""

_ARGUMENTS = ("-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Unrestricted", "-EncodedCommand")
_SEND_FILE = pathlib.Path(__file__).with_name("send_file.ps1")


def receive(connection: t.Any, host: str, answer: Sent, incoming: io.BufferedRandom, *, most: int = LARGEST) -> int:
    """Writes the ciphertext of an artifact_fetch answer into an open, empty file and checks its size and SHA-256.

    No more is written than was announced, than C(most) bytes, and than there is space for.
    Returns how often the transfer was tried again. Raises AccessManagerError when it never arrived whole.
    """
    header = answer["envelope"]
    if header["size"] > most:
        raise AccessManagerError(
            f"{host} announces a backup of {header['size']} bytes: more than {most // 1024**2} MiB are not taken."
        )
    if "data" in header:
        try:
            ciphertext = base64.b64decode(header["data"], validate=True)
        except ValueError:
            raise AccessManagerError(f"The answer of {host} is not Base64: it is not used.") from None
        try:
            _Arrival(incoming, header["size"]).write(ciphertext)
            _check(incoming, header)
        except AccessManagerError as exc:
            raise AccessManagerError(f"The backup of {host} did not arrive whole: {exc}. Run again.") from None
        return 0
    with _progress.shown("received", total=header["size"], unit=MEGABYTES) as progress:
        return _receive_file(connection, host, answer["path"], header, incoming, progress)


def _receive_file(
    connection: t.Any, host: str, source: str, header: Header, incoming: io.BufferedRandom, progress: Progress
) -> int:
    """Fetches a file of the target through interruptions. Returns how often it was tried again."""
    for retries in range(ATTEMPTS):
        try:
            _fetch(connection, source, header["size"], incoming, progress)
            _check(incoming, header)
            return retries
        except NoSpaceError:
            raise
        except Exception as exc:
            if not is_connection_error(exc) and not isinstance(exc, (AccessManagerError, AnsibleError)):
                raise
            failure: Exception = exc
            _display.warn(
                f"{host}: the transfer was interrupted ({exc}); {_size(incoming)} of {header['size']} bytes are here."
            )
            _reset(connection)
    raise AccessManagerError(f"The backup of {host} did not arrive whole after {ATTEMPTS} attempts: {failure}")


def _fetch(connection: t.Any, source: str, size: int, incoming: io.BufferedRandom, progress: Progress) -> None:
    """Appends what is missing of the file."""
    fetch = _stream_over_winrm if connection.transport == "winrm" else _fetch_slices
    incoming.seek(0, os.SEEK_END)
    refuse_without_space(incoming.fileno(), size - incoming.tell(), _place(incoming))
    fetch(connection, source, size, incoming, progress)


class _Arrival:
    """The file to which a request's answer is appended: not more than was asked for, and not the last of the space."""

    def __init__(self, file: io.BufferedRandom, asked: int) -> None:
        self._file, self._asked, self._left = file, asked, asked

    def write(self, data: bytes) -> None:
        if len(data) > self._left:
            raise AccessManagerError(f"the target sent more than the {self._asked} bytes that were asked for")
        refuse_without_space(self._file.fileno(), len(data), _place(self._file))
        self._file.write(data)
        self._left -= len(data)


def _fetch_slices(connection: t.Any, source: str, size: int, file: io.BufferedRandom, progress: Progress) -> None:
    command = " ".join(["PowerShell", *_ARGUMENTS, _encoded_script()])
    while file.tell() < size:
        before = file.tell()
        length = min(SLICE_BYTES, size - before)
        code, output, errors = connection.exec_command(command, in_data=_request(source, before, length))
        arrival = _Arrival(file, length)
        for line in output.split():
            arrival.write(_decoded(line))
        _refuse_failure(source, code, errors)
        if file.tell() == before:
            raise AccessManagerError(f"the target's '{source}' ends after {before} bytes")
        progress.done = file.tell()


def _stream_over_winrm(
    connection: t.Any, source: str, size: int, file: io.BufferedRandom, progress: Progress
) -> None:
    from winrm.exceptions import WinRMOperationTimeoutError

    connection._connect()
    protocol, shell = connection.protocol, connection.shell_id
    command = protocol.run_command(shell, "PowerShell", [*_ARGUMENTS, _encoded_script()], console_mode_stdin=False)
    try:
        length = size - file.tell()
        arrival = _Arrival(file, length)
        protocol.send_command_input(shell, command, _request(source, file.tell(), length), end=True)
        rest, errors, done = b"", b"", False
        heard = time.monotonic()
        while not done:
            try:
                output, more_errors, code, done = protocol.get_command_output_raw(shell, command)
            except WinRMOperationTimeoutError:
                output = more_errors = b""
            heard = time.monotonic() if output else heard
            if time.monotonic() - heard > _LONGEST_SILENCE:
                raise AccessManagerError(f"the target sent nothing in {_LONGEST_SILENCE} seconds")
            errors = (errors + more_errors)[:_LONGEST_ERROR]
            *lines, rest = (rest + output).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                raise AccessManagerError(f"the target sent a line of more than {_LONGEST_LINE} bytes")
            for line in lines:
                arrival.write(_decoded(line.strip()))
            progress.done = file.tell()
    finally:
        _end_command(protocol, shell, command)
    _refuse_failure(source, code, errors)


def _request(source: str, offset: int, length: int) -> bytes:
    """What send_file.ps1 reads on its input."""
    return json.dumps({"path": source, "offset": offset, "length": length}).encode()


def _encoded_script() -> str:
    return base64.b64encode(_SEND_FILE.read_text().encode("utf-16-le")).decode()


def _refuse_failure(source: str, code: int, errors: bytes) -> None:
    if code:
        raise AccessManagerError(f"the target could not send '{source}': {errors.decode('utf-8', 'replace').strip()}")


def _end_command(protocol: t.Any, shell: str, command: str) -> None:
    """Ends the command on the target; on a lost connection that fails, which is no news."""
    try:
        protocol.cleanup_command(shell, command)
    except Exception as exc:
        if not is_connection_error(exc):
            raise
        _display.debug(f"The command on the target could not be cleaned up: {exc}")


def _decoded(line: bytes) -> bytes:
    try:
        return base64.b64decode(line, validate=True)
    except ValueError:
        raise AccessManagerError(f"the target sent something else than Base64: {line[:100]!r}") from None


def _check(incoming: io.BufferedRandom, header: Header) -> None:
    size = _size(incoming)
    incoming.seek(0)
    if size != header["size"] or hashlib.file_digest(incoming, "sha256").hexdigest() != header["sha256"]:
        if size >= header["size"]:
            incoming.truncate(0)
        raise AccessManagerError("what arrived has another size or SHA-256 than what was sent")


def _place(file: io.BufferedRandom) -> str:
    """The folder in which a file lies, for messages."""
    return str(pathlib.Path(str(file.name)).parent)


def _size(file: io.BufferedRandom) -> int:
    return file.seek(0, os.SEEK_END)


def _reset(connection: t.Any) -> None:
    try:
        connection.reset()
    except Exception as exc:
        if not is_connection_error(exc):
            raise
        _display.debug(f"The connection could not be reset yet: {exc}")
