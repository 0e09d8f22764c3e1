# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The server as installation_info reports it, and what a restore of one backup has to know beside that.

#AnsibleRequires -PowerShell ..module_utils._Configuration
#AnsibleRequires -PowerShell ..module_utils._DomainSecret
#AnsibleRequires -PowerShell ..module_utils._DrillMark
#AnsibleRequires -PowerShell ..module_utils._EarlierRestore
#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._RestoreChange
#AnsibleRequires -PowerShell ..module_utils._Run
#AnsibleRequires -PowerShell ..module_utils._Secret
#AnsibleRequires -PowerShell ..module_utils._ServerDescription
#AnsibleRequires -PowerShell ..module_utils._Version2

Set-StrictMode -Version 2.0

Function Get-ExternalRecord {
    # The records of files elsewhere that a backup holds and the description lacks.
    param(
        [Object[]] $External,
        [Object[]] $Known
    )
    foreach ($file in $External) {
        if (@($Known | Where-Object -FilterScript { $_.name -eq $file.name })) { continue }
        $item = Get-PathItem -Path $file.path -Kind 'file'
        if ($item.Exists) { Add-DigestOrReason -Record (Get-ItemRecord -Item $item -Name $file.name -Path $file.path) }
    }
}

Function Get-ProbeResult {
    # Of each secret of a backup: whether it decrypts here, and the mark of the server's own secret in its place.
    param(
        [Object[]] $Probes,
        [Object[]] $Own,
        [String] $Nonce
    )
    foreach ($probe in $Probes) {
        $mark = ''
        foreach ($mine in @($Own | Where-Object -FilterScript { $_.path -eq $probe.path })) {
            try { $mark = Get-SecretMark -Value (Unprotect-Secret -Secret $mine) -Nonce $Nonce }
            catch { $mark = '' }
        }
        @{
            path = $probe.path
            file = $probe.file
            decrypts = Test-Secret -Secret (New-MachineSecret -Path $probe.path -Data $probe.data -Salt $probe.salt)
            mark = $mark
        }
    }
}

Function Get-MaskedDigest {
    # The SHA-256 of a JSON file of the configuration as it would be with the backup's data and salts, as they are written there, in
    # place of its own; empty when there is no file.
    param(
        [String] $Path,
        [Object[]] $Probes,
        [Object[]] $Own
    )
    if (-not [IO.File]::Exists((Get-LongPath -Path $Path))) { return '' }
    $latin = [Text.Encoding]::GetEncoding(28591)
    $text = $latin.GetString([IO.File]::ReadAllBytes((Get-LongPath -Path $Path)))
    foreach ($probe in $Probes) {
        foreach ($mine in @($Own | Where-Object -FilterScript { $_.path -eq $probe.path })) {
            $text = $text.Replace("`"$($mine.data)`"", $probe.data_written)
            if ($mine.salt) { $text = $text.Replace("`"$($mine.salt)`"", $probe.salt_written) }
        }
    }
    $stream = New-Object -TypeName IO.MemoryStream -ArgumentList @(, $latin.GetBytes($text))
    try { Get-StreamDigest -Stream $stream }
    finally { $stream.Dispose() }
}

Function Get-RestoreTarget {
    # busy alone while another run is at work on this server.
    param([Collections.IDictionary] $Params)
    $busy = Wait-OtherRun -Timeout $Params.wait_seconds
    if ($busy) { return @{ busy = $busy } }
    Wait-ReportedRestore
    $wanted = @{
        Knowledge = $Params.knowledge
        IncludeDatabase = $Params.include_database
        StagingRoot = $Params.staging_root
    }
    $answer = Get-Description @wanted
    $answer.busy = ''
    $answer.earlier = @(Get-UnreportedRestore)
    if (-not $answer.installation.exists) { return $answer }
    $answer.drill = Get-MarkedDrill
    $answer.platform = Get-Version2Platform
    $answer.records = @($answer.records) + @(Get-ExternalRecord -External $Params.external -Known $answer.records)
    $roots = @($Params.external | ForEach-Object -Process { [IO.Path]::GetPathRoot($_.path) } | Sort-Object -Unique)
    $answer.missing_drives = @($roots | Where-Object -FilterScript { -not [IO.Directory]::Exists($_) })
    $own = @()
    if ($answer.installation.config_exists) {
        $documents = @(Read-Configuration -ConfigPath $answer.installation.config_path -Names $Params.knowledge.json_files)
        $own = @(Get-ProtectedSecret -Documents $documents -Paths $Params.knowledge.secrets)
    }
    $answer.probes = @(Get-ProbeResult -Probes $Params.probes -Own $own -Nonce $Params.nonce)
    $answer.domain_secrets = @($Params.domain_secrets |
        ForEach-Object -Process { @{ path = $_.path; decrypts = Test-DomainSecret -Data $_.data } })
    $answer.masked = New-NameTable
    foreach ($name in @($Params.probes | ForEach-Object -Process { $_.file } | Sort-Object -Unique)) {
        $probes = @($Params.probes | Where-Object -FilterScript { $_.file -eq $name })
        $path = [IO.Path]::Combine($answer.installation.config_path, $name)
        $answer.masked[$name] = Get-MaskedDigest -Path $path -Probes $probes -Own $own
    }
    $answer
}

Export-ModuleMember -Function Get-RestoreTarget
