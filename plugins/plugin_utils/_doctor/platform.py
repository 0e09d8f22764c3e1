# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of a server's Windows, PowerShell, .NET Framework, clock and policies."""

from __future__ import annotations

from .._ams.checks import FRAMEWORK_472
from .._target import clock
from . import policies
from .facts import Facts
from .verdict import Check, Verdict, failure, ok, warning

_SERVER_2016 = 14393
_FULL_LANGUAGE = "FullLanguage"
_BLOCK = ("1", "6")
"""An attack surface reduction rule blocks, or blocks until a user allows it."""

_LEAST_OF_SHELLS = (
    (policies.SHELL_MEMORY, 512, "MB of memory", "Specify maximum amount of memory in MB per Shell"),
    (policies.SHELL_PROCESSES, 10, "processes", "Specify maximum number of processes per Shell"),
    (policies.SHELL_IDLE, 180_000, "ms without a word", "Specify idle Timeout"),
)
"""What a remote shell needs at least: policy, number, of what, and the name of the setting."""

_SIGNING = (
    "Allow this collection's code in the policy of AppLocker or App Control for Business (WDAC), for example by the "
    "signed list of hashes (powershell_signatures.psd1) that ansible-core reads, or take the server out of its "
    "enforcement."
)
_READERS = (
    "This collection gives no secret to what is logged. Other tools may: let administrators alone read the log "
    "Microsoft-Windows-PowerShell/Operational, and wherever it is forwarded to."
)


def _windows(facts: Facts) -> Verdict:
    platform = facts.examination["platform"]
    found = f"{platform['windows'] or 'Windows'}, build {platform['build']}."
    if platform["build"] < _SERVER_2016:
        return failure(found, "Windows Server 2016 (build 14393) or newer is needed: move Access Manager to one.")
    return ok(found)


def _powershell(facts: Facts) -> Verdict:
    platform = facts.examination["platform"]
    version = platform["powershell"]
    if tuple(int(part) for part in version.split(".")[:2] if part.isdecimal()) < (5, 1):
        return failure(f"PowerShell {version}.", "Install Windows Management Framework 5.1 there.")
    if not platform["is_64_bit"]:
        return failure(
            f"PowerShell {version} is a 32-bit process: it sees another registry and other folders.",
            "Set ansible_psrp_configuration_name to Microsoft.PowerShell, or use the winrm connection.",
        )
    return ok(f"PowerShell {version}, 64-bit, with the culture {platform['culture'] or '(invariant)'}.")


def _language_mode(facts: Facts) -> Verdict:
    mode = facts.examination["platform"]["language_mode"]
    return ok(f"{mode}.") if mode == _FULL_LANGUAGE else constrained(mode)


def constrained(mode: str) -> Verdict:
    """The verdict of a language mode in which nothing of this collection runs."""
    return failure(f"PowerShell runs in {mode} there: none of this collection's modules can run.", _SIGNING)


def _framework(facts: Facts) -> Verdict:
    release = facts.server["framework_release"]
    if release >= FRAMEWORK_472:
        return ok(f".NET Framework of Release {release}, and {FRAMEWORK_472} (4.7.2) is needed.")
    if release:
        return failure(
            f".NET Framework is older than 4.7.2 (Release {release}).", "Install .NET Framework 4.7.2 or newer there."
        )
    return warning(
        "The registry does not say which .NET Framework is there.",
        r"See that HKLM\SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full has a Release of 461808 (4.7.2) or more.",
    )


def _long_paths(facts: Facts) -> Verdict:
    if facts.examination["platform"]["old_paths"]:
        return ok(
            ".NET Framework's old path handling was in force, and was switched off within the process, by reflection. "
            "Scanners of scripts may take that for an attack: see 'Hardened servers' in docs/security.md."
        )
    return ok("Paths of more than 260 characters are open to PowerShell as it is.")


def _clock(facts: Facts) -> Verdict:
    if clock.is_skewed(facts.skew):
        return warning(
            f"The server's clock is {abs(facts.skew)} s {'ahead of' if facts.skew > 0 else 'behind'} the controller's.",
            "Set the clocks right: by them it is decided which backup or restore was first. Kerberos refuses 300 s.",
        )
    return ok(f"The server's clock is within {clock.TOLERATED_SECONDS} s of the controller's.")


def _script_policy(facts: Facts) -> Verdict:
    enforced = [
        name
        for name, is_enforced in (
            ("AppLocker's rules for scripts", facts.is_on(policies.APPLOCKER_SCRIPTS)),
            ("code integrity (WDAC)", facts.examination["code_integrity"] is True),
        )
        if is_enforced
    ]
    if enforced and facts.examination["platform"]["language_mode"] == _FULL_LANGUAGE:
        return warning(
            f"Enforced are {' and '.join(enforced)}. This account's PowerShell is not restricted by that now.", _SIGNING
        )
    if enforced:
        return failure(f"Enforced are {' and '.join(enforced)}.", _SIGNING)
    return ok("No policy of AppLocker or code integrity for scripts is enforced, as far as this account can see.")


def _execution_policy(facts: Facts) -> Verdict:
    policy = facts.policy(policies.EXECUTION)
    if policy in ("AllSigned", "Restricted"):
        return warning(
            f"A group policy sets the execution policy to {policy}: Windows' own modules may not load.",
            "Set 'Turn on Script Execution' to 'Allow local scripts and remote signed scripts'.",
        )
    return ok(f"Set by group policy: {policy}." if policy else "No group policy sets it.")


def _module_logging(facts: Facts) -> Verdict:
    if facts.is_on(policies.MODULE_LOGGING):
        return warning("Module logging is on: Windows logs the arguments of cmdlets (event 4103).", _READERS)
    return ok("Module logging is off.")


def _script_logging(facts: Facts) -> Verdict:
    if facts.is_on(policies.SCRIPT_LOGGING):
        return ok("Script block logging is on: Windows logs this collection's code (event 4104), and no values.")
    return ok("Script block logging is off.")


def _transcription(facts: Facts) -> Verdict:
    if facts.is_on(policies.TRANSCRIPTION):
        folder = facts.policy(policies.TRANSCRIPT_FOLDER) or "the documents of each account"
        return warning(
            f"Transcription is on, to {folder}: what PowerShell prints is kept, as are the results of modules.",
            "This collection prints no secret in clear. Let administrators alone read that folder.",
        )
    return ok("Transcription is off.")


def _fips(facts: Facts) -> Verdict:
    if facts.is_on(policies.FIPS):
        return ok("Windows allows FIPS algorithms only: this collection uses no others there.")
    return ok("Windows' FIPS policy is off.")


def _wmi_rule(facts: Facts) -> Verdict:
    if _blocks_wmi(facts):
        return warning(
            "An attack surface reduction rule blocks processes that WMI starts (d1e49aac-8f56-4280-b9ba-993a6d77406c).",
            "Use the winrm connection, from which a run leaves its shell without WMI, or see that the check 'detached "
            "run' is ok.",
        )
    return ok("The attack surface reduction rule against processes that WMI starts does not block.")


def _blocks_wmi(facts: Facts) -> bool:
    """Whether one of the places that set the rule has it block. Device management writes RULE=MODE|RULE=MODE."""
    modes = [facts.policy(policy) for policy in (policies.NO_WMI_PROCESSES, policies.NO_WMI_PROCESSES_HERE)]
    text = str(facts.policy(policies.NO_WMI_PROCESSES_BY_DEVICE_MANAGEMENT) or "").lower()
    rules = dict(rule.strip().partition("=")[::2] for rule in text.split("|"))
    return any(str(mode) in _BLOCK for mode in (*modes, rules.get(policies.WMI_RULE)))


def _remote_shell(facts: Facts) -> Verdict:
    if facts.policy(policies.REMOTE_SHELL) in (0, "0"):
        return warning(
            "A group policy allows no remote shells: the connection winrm fails.", "Use ansible_connection: psrp."
        )
    for policy, least, unit, setting in _LEAST_OF_SHELLS:
        allowed = facts.policy(policy)
        if isinstance(allowed, int) and 0 < allowed < least:
            return warning(
                f"A group policy gives each remote shell {allowed} {unit}.", f"Raise '{setting}' to {least} or more."
            )
    return ok("Remote shells are allowed, with memory, processes and time enough.")


CHECKS: tuple[Check[Facts], ...] = (
    Check("Windows", _windows),
    Check("PowerShell", _powershell),
    Check("language mode", _language_mode),
    Check(".NET Framework", _framework),
    Check("long paths", _long_paths),
    Check("clock", _clock),
    Check("script policies", _script_policy),
    Check("execution policy", _execution_policy),
    Check("module logging", _module_logging),
    Check("script block logging", _script_logging),
    Check("transcription", _transcription),
    Check("FIPS policy", _fips),
    Check("processes by WMI", _wmi_rule),
    Check("remote shells", _remote_shell),
)
