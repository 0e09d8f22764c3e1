# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore may change on a host, to compare before and after."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .ams_host import SERVICE_SID, AmsHost
from .backups import KeyPair

SAFETY = "ProgramData/lithnet.access_manager.safety"
HTTP_KEY = r"HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters"
STORE_KEY = r"HKLM\SOFTWARE\Microsoft\Cryptography\Services\lithnetams\SystemCertificates\MY\Certificates"
_NOT_COMPARED = (SAFETY, "/db/", "temp/test-", "AppData/Local/Microsoft/PowerShell", "Crypto/RSA/MachineKeys/")
"""The safety copies, the database, scripts of AmsHost.powershell, what PowerShell remembers of modules, files of
CryptoAPI keys.

The lab keeps CryptoAPI keys and their files when they are deleted.
"""

_LEFT_OUT = re.compile("|".join(map(re.escape, _NOT_COMPARED)))

_KEY_FILES = re.compile(r"Microsoft[/\\]Crypto[/\\]Keys[/\\]")
_OUTLINE = r"""
$roots = @(
    'C:\Program Files\Lithnet\Access Manager Service\config'
    'C:\AccessManagerScripts'
    'C:\ProgramData\Microsoft\Crypto\Keys'
)
foreach ($root in $roots) {
    if (-not [IO.Directory]::Exists($root)) { continue }
    $folder = New-Object IO.DirectoryInfo $root
    foreach ($item in @($folder) + @($folder.GetFileSystemInfos('*', 'AllDirectories'))) {
        $name = $item.FullName
        if ($name -like '*\config\db\*') { continue }
        $time = if ($item -is [IO.FileInfo]) { $item.LastWriteTimeUtc.ToString('o') }
        $type = if ($item -is [IO.DirectoryInfo]) { 'DirectorySecurity' } else { 'FileSecurity' }
        $security = New-Object "Security.AccessControl.$type" $name, 'Access, Owner, Group'
        $sddl = $security.GetSecurityDescriptorSddlForm('Access, Owner, Group')
        "$name|$time|$([Int32]($item.Attributes -band 7))|$sddl"
    }
}
"""
STORE = r"""
Add-Type -Namespace TestSupport -Name Crypt32 -MemberDefinition @'
[DllImport("crypt32.dll", CharSet = CharSet.Unicode, SetLastError = true)]
public static extern IntPtr CertOpenStore(IntPtr provider, int encoding, IntPtr prov, uint flags, string name);
'@
$handle = [TestSupport.Crypt32]::CertOpenStore([IntPtr] 10, 0, [IntPtr]::Zero, 0x50000, 'lithnetams\MY')
$store = New-Object Security.Cryptography.X509Certificates.X509Store $handle
"""
"""Opens the service's store as $store."""

_REMOVE_KEY = r"""
foreach ($certificate in @($store.Certificates | Where-Object { $_.Thumbprint -eq 'THUMBPRINT' })) {
    $key = [Security.Cryptography.X509Certificates.RSACertificateExtensions]::GetRSAPrivateKey($certificate)
    if ($key -is [Security.Cryptography.RSACng]) { $key.Key.Delete() }
    else { $key.PersistKeyInCsp = $false; $key.Clear() }
    $store.Remove($certificate)
}
"""
_FORBID_KEYS = rf"""
foreach ($file in [IO.Directory]::GetFiles('C:\ProgramData\Microsoft\Crypto\Keys')) {{
    $item = New-Object IO.FileInfo $file
    $acl = $item.GetAccessControl()
    $acl.PurgeAccessRules((New-Object Security.Principal.SecurityIdentifier '{SERVICE_SID}'))
    $item.SetAccessControl($acl)
}}
"""
_ADD_BARE = (
    "$store.Add((New-Object Security.Cryptography.X509Certificates.X509Certificate2 @(, $certificate.RawData)))\n"
)


@dataclass(frozen=True)
class Whole:
    """Files with contents; their times, attributes and permissions; registry; HTTP.sys; key store; the service's state.
    """

    disk: dict[str, str]
    outline: tuple[str, ...]
    registry: str
    http_sys: str
    keys: str
    service: str

    @classmethod
    def of(cls, host: AmsHost) -> Whole:
        disk = {name: what for name, what in host.disk().items() if not _LEFT_OUT.search(name)}
        outline = tuple(sorted(host.powershell(_OUTLINE).replace("D:AI(", "D:(").splitlines()))  # Wine forgets AI
        keys = host.registry(STORE_KEY)
        return cls(disk, outline, host.registry(), host.registry(HTTP_KEY), keys, host.service_state())

    def differences(self, other: Whole, *, keys: bool = True) -> list[str]:
        """What is not the same, in lines to read. keys: the key store too, where an imported key has another name."""
        names = sorted(self.disk.keys() | other.disk.keys())
        lines = [
            f"{name}: {self.disk.get(name)}, {other.disk.get(name)}"
            for name in names
            if self.disk.get(name) != other.disk.get(name)
        ]
        lines += sorted(set(self.outline) ^ set(other.outline))
        if not keys:
            lines = [line for line in lines if not _KEY_FILES.search(line)]
        for name in ("registry", "http_sys", "service", *(["keys"] if keys else [])):
            lines += sorted(set(getattr(self, name).splitlines()) ^ set(getattr(other, name).splitlines()))
        return lines


def remove_certificate(host: AmsHost, thumbprint: str, *, key_only: bool = False) -> None:
    """Takes a certificate with its private key, or that key alone, out of the service's store."""
    host.powershell(STORE + _REMOVE_KEY.replace("THUMBPRINT", thumbprint) + (_ADD_BARE if key_only else ""))


def forbid_keys(host: AmsHost) -> None:
    """Takes from the service the permission to read its CNG keys."""
    host.powershell(_FORBID_KEYS)


def identity_file(folder: Path, owner: KeyPair) -> Path:
    """The owner's private key in a file, as age-keygen writes it."""
    path = folder / "identity.key"
    path.touch(0o600)
    path.write_text(f"# public key: {owner.public}\n{owner.private}\n")
    return path


def safety_copies(host: AmsHost) -> list[Path]:
    """The folders of the safety copies on a host, the oldest first."""
    folder = host.drive_c / SAFETY
    return sorted(folder.iterdir()) if folder.is_dir() else []


def restoring(settings: dict[str, Any], identity: Path, **options: Any) -> dict[str, Any]:
    """What an inventory says to have a host restored."""
    return settings | {"access_manager_identity_file": str(identity), "restore_health_seconds": 1} | options
