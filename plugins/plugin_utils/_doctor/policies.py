# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry values of policies that the doctor asks for."""

from __future__ import annotations

import typing as t


class Policy(t.NamedTuple):
    """A value under HKEY_LOCAL_MACHINE."""

    key: str
    name: str


_POWERSHELL = r"SOFTWARE\Policies\Microsoft\Windows\PowerShell"
_ACCOUNTS = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System"
_REMOTE_SHELL = r"SOFTWARE\Policies\Microsoft\Windows\WinRM\Service\WinRS"
_REDUCTION = r"Windows Defender\Windows Defender Exploit Guard\ASR\Rules"

WMI_RULE = "d1e49aac-8f56-4280-b9ba-993a6d77406c"
"""The attack surface reduction rule "Block process creations originating from PSExec and WMI commands"."""

MODULE_LOGGING = Policy(rf"{_POWERSHELL}\ModuleLogging", "EnableModuleLogging")
SCRIPT_LOGGING = Policy(rf"{_POWERSHELL}\ScriptBlockLogging", "EnableScriptBlockLogging")
TRANSCRIPTION = Policy(rf"{_POWERSHELL}\Transcription", "EnableTranscripting")
TRANSCRIPT_FOLDER = Policy(rf"{_POWERSHELL}\Transcription", "OutputDirectory")
EXECUTION = Policy(_POWERSHELL, "ExecutionPolicy")
FIPS = Policy(r"SYSTEM\CurrentControlSet\Control\Lsa\FipsAlgorithmPolicy", "Enabled")
UAC = Policy(_ACCOUNTS, "EnableLUA")
REMOTE_TOKENS = Policy(_ACCOUNTS, "LocalAccountTokenFilterPolicy")
APPLOCKER_SCRIPTS = Policy(r"SOFTWARE\Policies\Microsoft\Windows\SrpV2\Script", "EnforcementMode")
NO_WMI_PROCESSES = Policy(rf"SOFTWARE\Policies\Microsoft\{_REDUCTION}", WMI_RULE)
NO_WMI_PROCESSES_HERE = Policy(rf"SOFTWARE\Microsoft\{_REDUCTION}", WMI_RULE)
NO_WMI_PROCESSES_BY_DEVICE_MANAGEMENT = Policy(
    r"SOFTWARE\Policies\Microsoft\Windows Defender\Policy Manager", "ASRRules"
)
"""The same by group policy, by Set-MpPreference, and by device management (Intune), all rules in one text."""

REMOTE_SHELL = Policy(_REMOTE_SHELL, "AllowRemoteShellAccess")
SHELL_MEMORY = Policy(_REMOTE_SHELL, "MaxMemoryPerShellMB")
SHELL_PROCESSES = Policy(_REMOTE_SHELL, "MaxProcessesPerShell")
SHELL_IDLE = Policy(_REMOTE_SHELL, "IdleTimeout")

ALL = (
    MODULE_LOGGING,
    SCRIPT_LOGGING,
    TRANSCRIPTION,
    TRANSCRIPT_FOLDER,
    EXECUTION,
    FIPS,
    UAC,
    REMOTE_TOKENS,
    APPLOCKER_SCRIPTS,
    NO_WMI_PROCESSES,
    NO_WMI_PROCESSES_HERE,
    NO_WMI_PROCESSES_BY_DEVICE_MANAGEMENT,
    REMOTE_SHELL,
    SHELL_MEMORY,
    SHELL_PROCESSES,
    SHELL_IDLE,
)
