# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Whether Access Manager works after a restore.

#AnsibleRequires -PowerShell ..module_utils._AccessManager
#AnsibleRequires -PowerShell ..module_utils._CertificateManager
#AnsibleRequires -PowerShell ..module_utils._RestoreBundle

Set-StrictMode -Version 2.0

$HttpSeconds = 30

Function Get-HostingValue {
    # A setting of Hosting.HttpSys; the last file that has it counts.
    param(
        [Object[]] $Documents,
        [String] $Name,
        [String] $Default
    )
    foreach ($document in $Documents) {
        foreach ($found in Find-JsonValue -Node $document.document -Steps 'Hosting', 'HttpSys', $Name) { if ($found.value) { $Default = [String]$found.value } }
    }
    $Default
}

Function Test-Web {
    # Why the web site does not answer; empty when it does, whatever it says.
    param(
        [String] $Url,
        [String] $HostName
    )
    $request = [Net.WebRequest]::Create($Url)
    $request.AllowAutoRedirect = $false
    $request.Timeout = 5000
    if ($HostName -notin '', '+', '*') { $request.Host = $HostName }
    try { $request.GetResponse().Dispose(); '' }
    catch [Net.WebException] {
        if ($_.Exception.Response) { $_.Exception.Response.Dispose(); return '' }
        "$Url does not answer: $($_.Exception.Message)"
    }
}

Function Wait-Web {
    # Waits until the web site answers where its configuration says, or some seconds are over. Returns why it does not; empty when it does.
    param([Object[]] $Documents)
    $port, $path = (Get-HostingValue -Documents $Documents -Name 'HttpPort' -Default '80'), (Get-HostingValue -Documents $Documents -Name 'Path' -Default '')
    $hostName = Get-HostingValue -Documents $Documents -Name 'Hostname' -Default ''
    $end = [DateTime]::UtcNow.AddSeconds($HttpSeconds)
    while ($true) {
        $reason = Test-Web -Url "http://127.0.0.1:$port/$($path.Trim('/'))" -HostName $hostName
        if (-not $reason -or [DateTime]::UtcNow -ge $end) { return $reason }
        Start-Sleep -Milliseconds 200
    }
}

Function Wait-Trouble {
    # Watches the service for that many seconds. Returns what became of it; empty when it runs at their end.
    param([Int32] $Seconds)
    $end = [DateTime]::UtcNow.AddSeconds($Seconds)
    while ($true) {
        $status = (Get-ServiceController).Status
        if ($status -ne 'Running') { return "the service is $status, and should be Running" }
        if ([DateTime]::UtcNow -ge $end) { return '' }
        Start-Sleep -Milliseconds 200
    }
}

Function Get-UnusableCertificate {
    # A reason for each of these certificates that the service cannot use.
    param(
        [String[]] $Thumbprints,
        [String[]] $Usages
    )
    $found = @(Get-AccessManagerCertificate -Usages $Usages)
    foreach ($thumbprint in $Thumbprints) {
        $reason = Test-UsableCertificate -Found $found -Thumbprint $thumbprint
        if ($reason) { "$($thumbprint): $reason" }
    }
}

Function Get-LockedConfigurationSecret {
    # The paths of the secrets in the server's own files that it does not open, of those that it must open after this restore.
    param(
        [Object[]] $Documents,
        [Object[]] $Planned,
        [String[]] $Paths
    )
    $must = @($Planned | Where-Object -FilterScript { $_.action -in 'keep', 'here', 'protect' } | ForEach-Object -Process { $_.path })
    Get-LockedSecret -Secrets @(Get-ProtectedSecret -Documents $Documents -Paths $Paths | Where-Object -FilterScript { $_.mode -eq 1 -and $_.path -in $must })
}

Function Add-Check {
    # Makes one test of health: the body returns why it is not passed, or an empty text.
    param(
        [Hashtable] $Done,
        [String] $Name,
        [ScriptBlock] $Body
    )
    try { $reason = "$(& $Body)" }
    catch { $reason = $_.Exception.GetBaseException().Message }
    $Done.checks += @{ name = $Name; passed = -not $reason; reason = $reason }
    if ($reason) { throw "The check '$Name' failed: $reason" }
}

Function Test-Health {
    # Every test of health, into Done.checks. The first that is not passed ends it.
    param(
        [Hashtable] $Bundle,
        [Hashtable] $Done,
        [Collections.IDictionary] $Knowledge,
        [Int32] $Seconds
    )
    $plan, $installation = $Bundle.plan, (Get-Installation)
    $documents = @(Read-Configuration -ConfigPath $installation.config_path -Names $Knowledge.json_files)
    if ($plan.start) { Add-Check -Done $Done -Name 'running' -Body { Wait-Trouble -Seconds 0 } }
    Add-Check -Done $Done -Name 'configured' -Body { if ($plan.configured -and -not $installation.configured) { 'Configured in the registry is not 1: the service would serve nothing' } }
    if ($plan.start -and $installation.configured) { Add-Check -Done $Done -Name 'http' -Body { Wait-Web -Documents $documents } }
    Add-Check -Done $Done -Name 'secrets' -Body { @(Get-LockedConfigurationSecret -Documents $documents -Planned $plan.secrets -Paths $Knowledge.secrets) -join ', ' }
    Add-Check -Done $Done -Name 'certificates' -Body { @(Get-UnusableCertificate -Thumbprints $plan.usable_certificates -Usages $Knowledge.usages) -join '; ' }
    if ($plan.start) { Add-Check -Done $Done -Name 'stays_running' -Body { Wait-Trouble -Seconds $Seconds } }
}

Export-ModuleMember -Function Test-Health
