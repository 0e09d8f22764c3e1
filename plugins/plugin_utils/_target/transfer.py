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
import collections.abc as c
import contextlib
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
from .envelope import Check

ATTEMPTS = 4
SLICE_BYTES = 8 * 1024 * 1024
_LONGEST_LINE = 128 * 1024
"""Of Base64: send_file.ps1 writes lines of 80 KiB."""

_LONGEST_ERROR, _MOST_ERRORS = 8 * 1024, 10
_LONGEST_SILENCE = 300
"""Seconds without a byte of a file that lies ready on the target."""

_ARGUMENTS = ("-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Unrestricted", "-EncodedCommand")
_SEND_FILE = pathlib.Path(__file__).with_name("send_file.ps1")


def receive(
    connection: t.Any,
    host: str,
    answer: Sent,
    incoming: io.BufferedRandom,
    is_intact: Check,
    *,
    most: int = LARGEST,
) -> int:
    """Writes the ciphertext of an artifact_fetch answer into an open, empty file and checks it.

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
            _check(incoming, header, is_intact)
        except AccessManagerError as exc:
            raise AccessManagerError(f"The backup of {host} did not arrive whole: {exc}. Run again.") from None
        return 0
    with _progress.shown("received", total=header["size"], unit=MEGABYTES) as progress:
        return _receive_file(connection, host, answer, incoming, is_intact, progress)


def _receive_file(
    connection: t.Any,
    host: str,
    answer: Sent,
    incoming: io.BufferedRandom,
    is_intact: Check,
    progress: Progress,
) -> int:
    """Fetches a file of the target through interruptions. Returns how often it was tried again."""
    header = answer["envelope"]
    for retries in range(ATTEMPTS):
        try:
            _fetch(connection, answer["path"], header["size"], incoming, progress)
            _check(incoming, header, is_intact)
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
    is_winrm = connection.transport == "winrm"
    lines_of, most = (_lines_over_winrm, size) if is_winrm else (_lines_over_psrp, SLICE_BYTES)
    before = incoming.seek(0, os.SEEK_END)
    refuse_without_space(incoming.fileno(), size - before, _place(incoming))
    while before < size:
        length = min(most, size - before)
        arrival = _Arrival(incoming, length)
        request = json.dumps({"path": source, "offset": before, "length": length})
        with contextlib.closing(lines_of(connection, source, request)) as lines:
            for line in lines:
                arrival.write(_decoded(line))
                progress.done = incoming.tell()
        before += length
        if incoming.tell() < before:
            raise AccessManagerError(f"the target's '{source}' ends after {incoming.tell()} bytes")


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


class _Silence:
    """How long the target has sent nothing."""

    def __init__(self) -> None:
        self._heard = time.monotonic()

    def refuse_long(self, output: c.Sized) -> None:
        """Raises AccessManagerError when there was no output for too long."""
        now = time.monotonic()
        self._heard = now if output else self._heard
        if now - self._heard > _LONGEST_SILENCE:
            raise AccessManagerError(f"the target sent nothing in {_LONGEST_SILENCE} seconds")


def _lines_over_psrp(connection: t.Any, source: str, request: str) -> c.Generator[str]:
    """What send_file.ps1 writes, as it arrives, from a pipeline of the process that is there."""
    from pypsrp.complex_objects import PSInvocationState
    from pypsrp.powershell import PowerShell

    connection._connect()
    pipeline: t.Any = PowerShell(connection.runspace)
    pipeline.add_script(_SEND_FILE.read_text(), use_local_scope=True)
    silence = _Silence()
    try:
        pipeline.begin_invoke(request)
        while pipeline.state == PSInvocationState.RUNNING:
            pipeline.poll_invoke()
            lines, pipeline.output = [line for line in pipeline.output if line != ""], []
            silence.refuse_long(lines)
            _bound(pipeline.streams)
            yield from lines
    finally:
        pipeline.state = PSInvocationState.RUNNING  # stop() refuses others, and the target keeps what was not stopped
        _end(pipeline.stop)
    _refuse_failure(source, pipeline.had_errors, "\n".join(map(str, pipeline.streams.error))[:_LONGEST_ERROR])


def _bound(streams: t.Any) -> None:
    """Keeps of what the target says beside its output the first errors."""
    for stream in (streams.debug, streams.information, streams.progress, streams.verbose, streams.warning):
        stream.clear()
    del streams.error[_MOST_ERRORS:]


def _lines_over_winrm(connection: t.Any, source: str, request: str) -> c.Generator[bytes]:
    """The same from a process of its own."""
    from winrm.exceptions import WinRMOperationTimeoutError

    connection._connect()
    protocol, shell = connection.protocol, connection.shell_id
    command = protocol.run_command(shell, "PowerShell", [*_ARGUMENTS, _encoded_script()], console_mode_stdin=False)
    silence = _Silence()
    try:
        protocol.send_command_input(shell, command, request.encode(), end=True)
        rest, errors, done = b"", b"", False
        while not done:
            try:
                output, more_errors, code, done = protocol.get_command_output_raw(shell, command)
            except WinRMOperationTimeoutError:
                output = more_errors = b""
            silence.refuse_long(output.strip())
            errors = (errors + more_errors)[:_LONGEST_ERROR]
            *lines, rest = (rest + output).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                raise AccessManagerError(f"the target sent a line of more than {_LONGEST_LINE} bytes")
            yield from map(bytes.strip, lines)
    finally:
        _end(lambda: protocol.cleanup_command(shell, command))
    _refuse_failure(source, bool(code), errors.decode("utf-8", "replace"))


def _encoded_script() -> str:
    return base64.b64encode(_SEND_FILE.read_text().encode("utf-16-le")).decode()


def _refuse_failure(source: str, failed: bool, errors: str) -> None:
    if failed:
        raise AccessManagerError(f"the target could not send '{source}': {errors.strip()}")


def _end(command: c.Callable[[], object]) -> None:
    """Ends a command on the target; on a lost connection that fails, which is no news."""
    try:
        command()
    except Exception as exc:
        if not is_connection_error(exc):
            raise
        _display.debug(f"The command on the target could not be cleaned up: {exc}")


def _decoded(line: object) -> bytes:
    try:
        return base64.b64decode(t.cast(bytes, line), validate=True)
    except (TypeError, ValueError):
        raise AccessManagerError(f"the target sent something else than Base64: {str(line)[:100]!r}") from None


def _check(incoming: io.BufferedRandom, header: Header, is_intact: Check) -> None:
    size = _size(incoming)
    if size != header["size"] or not is_intact(incoming):
        if size >= header["size"]:
            incoming.truncate(0)
        raise AccessManagerError("what arrived is not what was sent")


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
