# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an encrypted bundle comes to the controller, over lines that break."""

from __future__ import annotations

import base64
import io
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.lithnet.access_manager.plugins.plugin_utils import _progress
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._age.decryption import LARGEST
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._errors import AccessManagerError
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._store.space import RESERVE
from ansible_collections.lithnet.access_manager.plugins.plugin_utils._target import transfer
from pypsrp.complex_objects import PSInvocationState
from pypsrp.powershell import PSDataStreams
from requests.exceptions import ConnectionError as LostConnectionError
from unit.faults import SMALL, free_bytes
from unit.target_side import send_file
from winrm.exceptions import WinRMError, WinRMOperationTimeoutError, WinRMTransportError

MIB = 1024**2


class WinRMHost:
    """A connection over WinRM to a host with one file, as pywinrm and Ansible offer it.

    faults: what is raised in each attempt, after how many lines; None for an attempt without.
    """

    transport = "winrm"
    shell_id = "shell"

    def __init__(self, content: bytes, faults: list[tuple[int, Exception] | None] = ()) -> None:  # type: ignore[assignment]
        self.content = content
        self.faults = list(faults)
        self.offsets: list[int] = []
        self.resets = self.open_commands = 0
        self.errors, self.code = b"", 0
        self._lines: Iterator[bytes] = iter(())

    @property
    def protocol(self) -> WinRMHost:
        return self

    def _connect(self) -> WinRMHost:
        return self

    def reset(self) -> None:
        self.resets += 1

    def run_command(self, shell: str, program: str, arguments: list[str], **_options: Any) -> str:
        assert (shell, program) == ("shell", "PowerShell")
        assert "ToBase64String" in script_of(arguments)
        self.open_commands += 1
        return "command"

    def send_command_input(self, shell: str, command: str, data: bytes, end: bool = False) -> None:
        request = json.loads(data)
        assert request["path"] == r"C:\staging\bundle"
        assert end
        self.offsets.append(request["offset"])
        self._lines = self._answer(request["offset"], request["length"])

    def _answer(self, offset: int, length: int) -> Iterator[bytes]:
        fault = self.faults.pop(0) if self.faults else None
        for number, line in enumerate(send_file(self.content, offset, length)):
            if fault and fault[0] == number:
                raise fault[1]
            yield line[:1000]  # lines come in pieces
            yield line[1000:]

    def get_command_output_raw(self, shell: str, command: str) -> tuple[bytes, bytes, int, bool]:
        output = next(self._lines, None)
        return output or b"", self.errors, self.code, output is None

    def cleanup_command(self, shell: str, command: str) -> None:
        self.open_commands -= 1


class PSRPHost:
    """A connection over PSRP to a host with one file: a script runs as a pipeline, its output comes in pieces.

    faults: what is raised after how many lines, by the number of the pipeline.
    """

    transport = "psrp"

    def __init__(self, content: bytes, faults: dict[int, tuple[int, Exception]] | None = None) -> None:
        self.content, self.faults = content, faults or {}
        self.offsets: list[int] = []
        self.longest = self.resets = self.open_pipelines = 0
        self.error = ""
        self.said = PSDataStreams()

    @property
    def runspace(self) -> PSRPHost:
        return self

    def _connect(self) -> PSRPHost:
        return self

    def reset(self) -> None:
        self.resets += 1

    def answer(self, offset: int, length: int) -> Iterator[object]:
        """The lines of a pipeline."""
        broken_after, fault = self.faults.get(len(self.offsets), (0, None))
        for number, line in enumerate(send_file(self.content, offset, length)):
            if fault and broken_after == number:
                raise fault
            yield line.decode().strip()


class Pipeline:
    """A pipeline of such a host, as pypsrp offers it."""

    def __init__(self, host: PSRPHost) -> None:
        self._host = host
        self.state = PSInvocationState.NOT_STARTED
        self.output: list[object] = []
        self.had_errors = False
        self.streams = PSDataStreams()
        self._lines: Iterator[object] = iter(())
        host.said = self.streams

    def add_script(self, script: str, use_local_scope: bool) -> None:
        assert "ToBase64String" in script
        assert use_local_scope

    def begin_invoke(self, request: str) -> None:
        asked = json.loads(request)
        assert asked["path"] == r"C:\staging\bundle"
        self._host.offsets.append(asked["offset"])
        self._host.longest = max(self._host.longest, asked["length"])
        self._host.open_pipelines += 1
        self._lines = self._host.answer(asked["offset"], asked["length"])
        self.state = PSInvocationState.RUNNING

    def poll_invoke(self) -> None:
        self.output += itertools.islice(self._lines, 3)
        if len(self.output) < 3:
            self.had_errors = bool(self._host.error)
            self.streams.error += [self._host.error] if self._host.error else []
            self.state = PSInvocationState.FAILED if self._host.error else PSInvocationState.COMPLETED

    def stop(self) -> None:
        assert self.state == PSInvocationState.RUNNING, "pypsrp refuses to stop others"
        self._host.open_pipelines -= 1


@pytest.fixture(autouse=True)
def pipelines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pypsrp.powershell.PowerShell", Pipeline)


def script_of(arguments: list[str]) -> str:
    return base64.b64decode(arguments[arguments.index("-EncodedCommand") + 1]).decode("utf-16-le")


@pytest.fixture
def incoming(tmp_path: Path) -> Iterator[io.BufferedRandom]:
    with (tmp_path / ".incoming").open("w+b") as file:
        yield file


def content_of(file: io.BufferedRandom) -> bytes:
    file.seek(0)
    return file.read()


def size_of(file: io.BufferedRandom) -> int:
    return file.seek(0, os.SEEK_END)


def envelope(content: bytes) -> dict[str, Any]:
    return {"size": len(content)}


def checking(content: bytes) -> Callable[[BinaryIO], bool]:
    """The check of a ciphertext, which is this content."""

    def is_intact(ciphertext: BinaryIO) -> bool:
        ciphertext.seek(0)
        return ciphertext.read() == content

    return is_intact


def receive(connection: Any, content: bytes, incoming: io.BufferedRandom) -> int:
    answer = {"envelope": envelope(content), "path": r"C:\staging\bundle"}
    return transfer.receive(connection, "ams1", answer, incoming, checking(content))


CONTENT = os.urandom(10 * 61440 + 123)


# ---- with the answer ----


def inline(content: bytes, data: str, incoming: io.BufferedRandom) -> int:
    answer = {"envelope": envelope(content) | {"data": data}, "path": ""}
    return transfer.receive(None, "ams1", answer, incoming, checking(content))


def test_what_comes_with_the_answer_needs_no_transfer(incoming: io.BufferedRandom) -> None:
    assert inline(CONTENT, base64.b64encode(CONTENT).decode(), incoming) == 0
    assert content_of(incoming) == CONTENT


def test_what_comes_with_the_answer_changed_is_refused(incoming: io.BufferedRandom) -> None:
    with pytest.raises(AccessManagerError, match="is not what was sent"):
        inline(CONTENT, base64.b64encode(CONTENT[::-1]).decode(), incoming)


def test_what_comes_with_the_answer_as_no_base64_is_refused_in_a_sentence(incoming: io.BufferedRandom) -> None:
    with pytest.raises(AccessManagerError):
        inline(CONTENT, "no base64!", incoming)


# ---- streamed ----


@pytest.mark.parametrize("content", [b"x", CONTENT], ids=["byte", "lines"])
def test_a_file_is_streamed_by_one_process(incoming: io.BufferedRandom, content: bytes) -> None:
    host = WinRMHost(content)
    assert receive(host, content, incoming) == 0
    assert content_of(incoming) == content
    assert host.offsets == [0]
    assert (host.open_commands, host.resets) == (0, 0)


LOST_CONNECTIONS: dict[str, Callable[[], Exception]] = {
    "connection": lambda: LostConnectionError("Remote end closed connection without response"),
    "socket": lambda: ConnectionResetError(104, "Connection reset by peer"),
    "ansible": lambda: AnsibleConnectionFailure("winrm connection error"),
    "http": lambda: WinRMTransportError("http", 503, "Service Unavailable"),
    "shell": lambda: WinRMError("The WinRM client cannot complete the operation: the shell was not found."),
}


@pytest.mark.parametrize("kind", LOST_CONNECTIONS)
def test_a_lost_connection_is_resumed_where_it_broke(incoming: io.BufferedRandom, kind: str) -> None:
    host = WinRMHost(CONTENT, [(4, LOST_CONNECTIONS[kind]())])
    assert receive(host, CONTENT, incoming) == 1
    assert content_of(incoming) == CONTENT
    assert host.offsets == [0, 4 * 61440]
    assert host.resets == 1


def test_each_retry_is_counted(incoming: io.BufferedRandom) -> None:
    host = WinRMHost(CONTENT, [(1, ConnectionResetError()), (0, ConnectionResetError()), (3, ConnectionResetError())])
    assert receive(host, CONTENT, incoming) == 3
    assert content_of(incoming) == CONTENT
    assert host.offsets == [0, 61440, 61440, 4 * 61440]


def test_a_line_that_breaks_each_time_is_given_up_in_a_sentence(incoming: io.BufferedRandom) -> None:
    host = WinRMHost(CONTENT, [(0, ConnectionResetError(104, "reset by peer"))] * 20)
    with pytest.raises(AccessManagerError, match=r"ams1 did not arrive whole after 4 attempts: .*reset by peer"):
        receive(host, CONTENT, incoming)
    assert len(host.offsets) == 4


def test_silence_of_the_target_is_waited_for(incoming: io.BufferedRandom) -> None:
    class SilentHost(WinRMHost):
        silent = 3

        def get_command_output_raw(self, shell: str, command: str) -> tuple[bytes, bytes, int, bool]:
            if self.silent:
                self.silent -= 1
                raise WinRMOperationTimeoutError
            return super().get_command_output_raw(shell, command)

    assert receive(SilentHost(CONTENT), CONTENT, incoming) == 0
    assert content_of(incoming) == CONTENT


@pytest.mark.parametrize("change", [lambda c: c[:-1] + bytes([c[-1] ^ 1]), lambda c: c[:-1]], ids=["other", "shorter"])
def test_wrong_content_is_fetched_again_and_then_refused(
    incoming: io.BufferedRandom, change: Callable[[bytes], bytes]
) -> None:
    host = WinRMHost(change(CONTENT))
    why = "is not what was sent|ends after"
    with pytest.raises(AccessManagerError, match=f"ams1 did not arrive whole after 4 attempts: .*({why})"):
        receive(host, CONTENT, incoming)
    assert host.offsets.count(0) + host.offsets.count(len(CONTENT) - 1) >= 4


def test_content_that_is_right_the_second_time_is_taken(incoming: io.BufferedRandom) -> None:
    class HealingHost(WinRMHost):
        def reset(self) -> None:
            self.content = CONTENT
            super().reset()

    host = HealingHost(CONTENT[::-1])
    assert receive(host, CONTENT, incoming) == 1
    assert content_of(incoming) == CONTENT
    assert host.offsets == [0, 0]


def test_what_the_target_says_when_it_cannot_send_is_reported(incoming: io.BufferedRandom) -> None:
    host = WinRMHost(b"")
    host.errors, host.code = b"Could not find file 'C:\\staging\\bundle'.", 1
    with pytest.raises(AccessManagerError, match="Could not find file"):
        receive(host, CONTENT, incoming)


def test_noise_in_the_stream_is_refused_in_a_sentence(incoming: io.BufferedRandom) -> None:
    class NoisyHost(WinRMHost):
        def _answer(self, offset: int, length: int) -> Iterator[bytes]:
            yield b"WARNING: the profile could not be loaded!\n"
            yield from super()._answer(offset, length)

    with pytest.raises(AccessManagerError, match="ams1 did not arrive whole"):
        receive(NoisyHost(CONTENT), CONTENT, incoming)


# ---- in slices ----


def test_over_psrp_a_file_comes_in_slices(incoming: io.BufferedRandom) -> None:
    content = os.urandom(20 * MIB)
    host = PSRPHost(content)
    assert receive(host, content, incoming) == 0
    assert content_of(incoming) == content
    assert host.offsets == [0, 8 * MIB, 16 * MIB]
    assert host.longest == 8 * MIB
    assert host.open_pipelines == 0


@pytest.mark.parametrize("kind", LOST_CONNECTIONS)
def test_a_lost_slice_is_resumed_where_it_broke(incoming: io.BufferedRandom, kind: str) -> None:
    content = os.urandom(20 * MIB)
    host = PSRPHost(content, {2: (6, LOST_CONNECTIONS[kind]())})
    assert receive(host, content, incoming) == host.resets == 1
    assert content_of(incoming) == content
    resumed = 8 * MIB + 6 * 61440
    assert host.offsets == [0, 8 * MIB, resumed, resumed + 8 * MIB]
    assert host.open_pipelines == 0


def test_what_a_pipeline_says_when_it_cannot_send_is_reported(incoming: io.BufferedRandom) -> None:
    host = PSRPHost(b"")
    host.error = "Could not find file 'C:\\staging\\bundle'."
    with pytest.raises(AccessManagerError, match="Could not find file"):
        receive(host, CONTENT, incoming)
    assert host.open_pipelines == 0


@pytest.mark.parametrize("noise", ["no base64!", None, 7, SimpleNamespace()])
def test_an_object_that_is_no_base64_is_refused_in_a_sentence(incoming: io.BufferedRandom, noise: object) -> None:
    class NoisyHost(PSRPHost):
        def answer(self, offset: int, length: int) -> Iterator[object]:
            yield noise

    with pytest.raises(AccessManagerError, match="something else than Base64"):
        receive(NoisyHost(CONTENT), CONTENT, incoming)


@pytest.mark.parametrize("output", [[], [""]], ids=["nothing", "empty lines"])
def test_a_pipeline_that_sends_nothing_for_ever_is_given_up(
    incoming: io.BufferedRandom, monkeypatch: pytest.MonkeyPatch, output: list[object]
) -> None:
    def poll(pipeline: Pipeline) -> None:
        time.sleep(0.002)
        pipeline.output += output

    monkeypatch.setattr(transfer, "_LONGEST_SILENCE", 0.01)
    monkeypatch.setattr(Pipeline, "poll_invoke", poll)
    host = PSRPHost(CONTENT)
    with pytest.raises(AccessManagerError, match="4 attempts: the target sent nothing in"):
        receive(host, CONTENT, incoming)
    assert host.open_pipelines == 0


def test_what_a_pipeline_says_beside_its_output_is_bounded(incoming: io.BufferedRandom) -> None:
    class TalkativeHost(PSRPHost):
        def answer(self, offset: int, length: int) -> Iterator[object]:
            for line in itertools.islice(super().answer(offset, length), 2):
                kept.append(len(self.said.warning) + len(self.said.error))
                self.said.warning += ["noise"] * 50
                self.said.error += ["x" * transfer._LONGEST_ERROR] * 50
                yield line

    kept: list[int] = []
    host = TalkativeHost(CONTENT)
    host.error = "it cannot be read"
    with pytest.raises(AccessManagerError) as refusal:
        receive(host, CONTENT, incoming)
    assert max(kept) <= 3 * 100 + transfer._MOST_ERRORS  # of one poll, and what is kept
    assert len(str(refusal.value)) < 2 * transfer._LONGEST_ERROR


# ---- progress ----


@pytest.mark.parametrize("host", [WinRMHost, PSRPHost])
def test_a_transfer_says_how_far_it_is(
    incoming: io.BufferedRandom, monkeypatch: pytest.MonkeyPatch, host: type[WinRMHost] | type[PSRPHost]
) -> None:
    content, seen = bytes(17 * MIB), list[int]()
    monkeypatch.setattr(_progress.Progress, "done", property(lambda _self: 0, lambda _self, done: seen.append(done)))
    receive(host(content), content, incoming)
    assert seen == sorted(seen)
    assert len(seen) > 2
    assert seen[-1] == len(content)


def test_a_short_transfer_is_silent(incoming: io.BufferedRandom, capfd: pytest.CaptureFixture[str]) -> None:
    content = bytes(8 * MIB)
    receive(WinRMHost(content), content, incoming)
    assert capfd.readouterr().out == ""


# ---- bounds ----


class EndlessWinRMHost(WinRMHost):
    """Sends for ever, in lines or without any."""

    sent = 0
    piece = base64.b64encode(bytes(61440)) + b"\r\n"

    def get_command_output_raw(self, shell: str, command: str) -> tuple[bytes, bytes, int, bool]:
        self.sent += len(self.piece)
        assert self.sent < 16 * MIB, "it is listened to for ever"
        return self.piece, b"x" * 1000, 0, False


class EndlessPSRPHost(PSRPHost):
    """Sends slices that are longer than what was asked for."""

    def answer(self, offset: int, length: int) -> Iterator[object]:
        for line in send_file(bytes(2 * length), 0, 2 * length):
            yield line.decode().strip()


@pytest.mark.parametrize("host", [EndlessWinRMHost, EndlessPSRPHost])
@pytest.mark.parametrize("size", [1, 1000, 100_000])
def test_no_more_is_written_than_was_announced(incoming: Path, host: Any, size: int) -> None:
    content = os.urandom(size)
    with pytest.raises(AccessManagerError, match="sent more than the"):
        receive(host(content), content, incoming)
    assert size_of(incoming) <= size


def test_a_line_without_an_end_is_not_kept(incoming: Path) -> None:
    host = EndlessWinRMHost(CONTENT)
    host.piece = b"A" * 100_000
    with pytest.raises(AccessManagerError, match="a line of more than"):
        receive(host, CONTENT, incoming)
    assert size_of(incoming) == 0


@pytest.mark.parametrize(
    "says",
    [(b"", b"", 0, False), (b"\r\n", b"", 0, False), (b"", b"x", 0, False), None],
    ids=["nothing", "empty lines", "errors", "timeouts"],
)
def test_a_target_that_sends_nothing_for_ever_is_given_up(
    incoming: io.BufferedRandom, monkeypatch: pytest.MonkeyPatch, says: tuple[bytes, bytes, int, bool] | None
) -> None:
    class Silent(WinRMHost):
        def get_command_output_raw(self, shell: str, command: str) -> tuple[bytes, bytes, int, bool]:
            if says is None:
                raise WinRMOperationTimeoutError
            return says

    monkeypatch.setattr(transfer, "_LONGEST_SILENCE", 0.05)
    host = Silent(CONTENT)
    with pytest.raises(AccessManagerError, match="sent nothing in"):
        receive(host, CONTENT, incoming)
    assert (len(host.offsets), host.open_commands) == (transfer.ATTEMPTS, 0)


def test_answers_that_end_early_are_attempts(incoming: io.BufferedRandom) -> None:
    class Short(WinRMHost):
        def _answer(self, offset: int, length: int) -> Iterator[bytes]:
            yield from send_file(self.content, offset, 1)

    host = Short(CONTENT)
    with pytest.raises(AccessManagerError, match="4 attempts: the target's .* ends after 4 bytes"):
        receive(host, CONTENT, incoming)
    assert host.offsets == [0, 1, 2, 3]


def test_the_answer_itself_holds_no_more_than_it_announces(incoming: Path) -> None:
    data = base64.b64encode(CONTENT).decode()
    answer = {"envelope": envelope(CONTENT) | {"data": data, "size": len(CONTENT) - 1}, "path": ""}
    with pytest.raises(AccessManagerError, match="sent more than the"):
        transfer.receive(None, "ams1", answer, incoming, checking(CONTENT))
    assert size_of(incoming) == 0


@pytest.mark.parametrize(("most", "announced"), [(LARGEST, LARGEST + 1), (LARGEST, 10**30), (1000, 1001)])
def test_more_than_the_stated_maximum_is_not_asked_for(incoming: Path, most: int, announced: int) -> None:
    host = WinRMHost(CONTENT)
    answer = {"envelope": envelope(CONTENT) | {"size": announced}, "path": r"C:\staging\bundle"}
    with pytest.raises(AccessManagerError, match=f"ams1 announces a backup of {announced} bytes: more than"):
        transfer.receive(host, "ams1", answer, incoming, checking(CONTENT), most=most)
    assert host.offsets == []


@pytest.fixture
def incoming_there(small_file_system: Path) -> Iterator[io.BufferedRandom]:
    with (small_file_system / ".incoming").open("w+b") as file:
        yield file


@pytest.mark.parametrize("kind", [WinRMHost, PSRPHost])
def test_one_server_never_fills_the_file_system_of_all(
    small_file_system: Path, incoming_there: io.BufferedRandom, kind: Any
) -> None:
    incoming = incoming_there
    content = bytes(SMALL - RESERVE + 1)
    host = kind(content)
    with pytest.raises(AccessManagerError, match="not enough space"):
        receive(host, content, incoming)
    assert host.offsets == []  # what was announced is compared before anything is asked for
    answer = {"envelope": envelope(content) | {"data": base64.b64encode(content).decode()}, "path": ""}
    with pytest.raises(AccessManagerError, match="not enough space"):
        transfer.receive(None, "ams1", answer, incoming, checking(content))
    assert free_bytes(small_file_system) >= RESERVE
    fitting = bytes(SMALL - RESERVE - MIB)
    assert receive(kind(fitting), fitting, incoming) == 0
    assert free_bytes(small_file_system) >= RESERVE


@pytest.mark.parametrize("kind", [WinRMHost, PSRPHost])
def test_space_that_goes_while_bytes_arrive_is_noticed(
    small_file_system: Path, incoming_there: io.BufferedRandom, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    """Others write to the same file system meanwhile."""
    monkeypatch.setattr(transfer, "SLICE_BYTES", MIB)
    content = bytes(SMALL - RESERVE - MIB)
    incoming = incoming_there

    class Crowded(kind):  # type: ignore[misc]
        def _others(self) -> None:
            if size_of(incoming) > 2 * MIB:
                (small_file_system / "others").write_bytes(bytes(4 * MIB))

        def answer(self, offset: int, length: int) -> Iterator[object]:
            for line in super().answer(offset, length):
                self._others()
                yield line

        def get_command_output_raw(self, shell: str, command: str) -> Any:
            self._others()
            return super().get_command_output_raw(shell, command)

    with pytest.raises(AccessManagerError, match="not enough space"):
        receive(Crowded(content), content, incoming)
    assert RESERVE - MIB < free_bytes(small_file_system) < RESERVE + 2 * MIB
