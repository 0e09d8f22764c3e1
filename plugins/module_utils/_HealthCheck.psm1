# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Whether Access Manager works: its web site before a restore, and everything after it.

#AnsibleRequires -PowerShell ..module_utils._Certificate
#AnsibleRequires -PowerShell ..module_utils._Configuration
#AnsibleRequires -PowerShell ..module_utils._EventLog
#AnsibleRequires -PowerShell ..module_utils._HttpSys
#AnsibleRequires -PowerShell ..module_utils._Installation
#AnsibleRequires -PowerShell ..module_utils._RestoreBundle
#AnsibleRequires -PowerShell ..module_utils._Secret

Set-StrictMode -Version 2.0

$AnswerMilliseconds = 5000
$SecondsBefore = 5
# What Windows allows, where this .NET Framework leaves that to Windows.
$Protocols = if ([Int32][Net.ServicePointManager]::SecurityProtocol -eq 0) {
    [Security.Authentication.SslProtocols]::None
}
else {
    [Security.Authentication.SslProtocols]'Tls, Tls11, Tls12'
}
$LogonStatuses = 401, 403
$ServiceFails = 500

Function Get-HostingValue {
    # A setting of Hosting.HttpSys; the last file that has it counts.
    param(
        [Object[]] $Documents,
        [String] $Name,
        [String] $Default
    )
    foreach ($document in $Documents) {
        foreach ($found in Find-JsonValue -Node $document.document -Steps 'Hosting', 'HttpSys', $Name) {
            if ($found.value) { $Default = [String]$found.value }
        }
    }
    $Default
}

Function Get-Site {
    # The addresses of the web site, as its configuration says: of HTTP, and of TLS where HTTP.sys has a certificate for that port.
    param([Object[]] $Documents)
    $name = Get-HostingValue -Documents $Documents -Name 'Hostname' -Default '+'
    if ($name -in '+', '*') { $name = 'localhost' }
    $path = Get-HostingValue -Documents $Documents -Name 'Path' -Default '/'
    $port = Get-HostingValue -Documents $Documents -Name 'HttpPort' -Default '80'
    $tlsPort = Get-HostingValue -Documents $Documents -Name 'HttpsPort' -Default '443'
    $site = @{ http = (New-Object -TypeName UriBuilder -ArgumentList 'http', $name, $port, $path).Uri; https = $null }
    if (@((Get-HttpConfiguration).bindings | Where-Object -FilterScript { $_.endpoint.Split(':')[-1] -eq $tlsPort })) {
        $site.https = (New-Object -TypeName UriBuilder -ArgumentList 'https', $name, $tlsPort, $path).Uri
    }
    $site
}

Function Get-HostHeader {
    # The host as HTTP names it: in ASCII, also where its name has other letters.
    param([Uri] $Url)
    $name = if ($Url.HostNameType -eq [UriHostNameType]::Dns) { $Url.IdnHost } else { $Url.Host }
    if ($Url.IsDefaultPort) { $name } else { "$($name):$($Url.Port)" }
}

Function Get-Status {
    # The HTTP status with which the web site answers at one address of this server, whatever certificate it shows.
    param(
        [Uri] $Url,
        [Net.IPAddress] $Address
    )
    $client = New-Object -TypeName Net.Sockets.TcpClient -ArgumentList $Address.AddressFamily
    try {
        if (-not $client.ConnectAsync($Address, $Url.Port).Wait($AnswerMilliseconds)) { throw 'nobody answers' }
        $client.ReceiveTimeout = $AnswerMilliseconds
        $client.SendTimeout = $AnswerMilliseconds
        $stream = $client.GetStream()
        if ($Url.Scheme -eq 'https') {
            $stream = New-Object -TypeName Net.Security.SslStream -ArgumentList $stream, $false,
                ([Net.Security.RemoteCertificateValidationCallback] { $true })
            try { $stream.AuthenticateAsClient($Url.IdnHost, $null, $Protocols, $false) }
            catch {
                $text = "the TLS handshake failed: $($_.Exception.GetBaseException().Message)"
                throw (New-Object -TypeName Security.Authentication.AuthenticationException -ArgumentList $text)
            }
        }
        $headers = "Host: $(Get-HostHeader -Url $Url)`r`nConnection: close"
        $request = [Text.Encoding]::ASCII.GetBytes("GET $($Url.PathAndQuery) HTTP/1.1`r`n$headers`r`n`r`n")
        $stream.Write($request, 0, $request.Length)
        $statusLine = (New-Object -TypeName IO.StreamReader -ArgumentList $stream).ReadLine()
        if ($statusLine -notmatch '^HTTP/1\.[01] (\d{3})\b') { throw 'the answer is not HTTP' }
        [Int32]$Matches[1]
    }
    finally { $client.Dispose() }
}

Function Test-Site {
    # Why the web site does not serve at one address of this server, and whether that is its TLS handshake; nothing when it serves.
    # HTTP.sys itself answers 400, 404 or 503 where nobody serves.
    param(
        [Uri] $Url,
        [Net.IPAddress] $Address
    )
    try { $status = Get-Status -Url $Url -Address $Address }
    catch {
        $cause = $_.Exception.GetBaseException()
        return @{
            text = "$Url does not answer at $($Address): $($cause.Message)"
            handshake = $cause -is [Security.Authentication.AuthenticationException]
            status = 0
        }
    }
    if ($status -lt 400 -or $status -in $LogonStatuses) { return }
    @{ text = "$Url answers with HTTP status $status at $Address"; handshake = $false; status = $status }
}

Function Get-OwnAddress {
    # HTTP.sys may listen at some of a server's addresses alone.
    try { [Net.Dns]::GetHostAddresses($env:COMPUTERNAME) }
    catch { Write-Debug -Message "The name of this server has no address: $($_.Exception.Message)" }
}

Function Wait-Site {
    # Waits until the web site serves at one of this server's addresses, for at most Timeout seconds and while the service runs.
    # Returns why it does not, empty when it does, whether a TLS handshake failed, and whether the service itself answers that it
    # cannot serve. Announced: the latter is known, and not waited for.
    param(
        [Uri] $Url,
        [Int32] $Timeout,
        [Boolean] $Announced
    )
    $addresses = @([Net.IPAddress]::Loopback) + @(Get-OwnAddress)
    $end = [DateTime]::UtcNow.AddSeconds($Timeout)
    while ($true) {
        $reasons = @()
        foreach ($address in $addresses) {
            $reason = Test-Site -Url $Url -Address $address
            if (-not $reason) { return @{ text = ''; handshake = $false; fails = $false } }
            $reasons += $reason
        }
        $fails = $reasons.status -contains $ServiceFails
        if (($fails -and $Announced) -or [DateTime]::UtcNow -ge $end -or (Get-ServiceController).Status -ne 'Running') {
            return @{ text = $reasons.text -join '; '; handshake = $reasons.handshake -contains $true; fails = $fails }
        }
        Start-Sleep -Milliseconds 200
    }
}

Function Get-SiteReason {
    # Why each address of the web site, http and https, does not serve as its configuration says now; empty when it does. $null
    # where the service does not run: then nothing was good or bad.
    param([Collections.IDictionary] $Knowledge)
    $installation = Get-Installation
    if ((Get-ServiceController).Status -ne 'Running' -or -not $installation.configured) { return $null }
    $site = Get-Site -Documents @(Read-Configuration -ConfigPath $installation.config_path -Names $Knowledge.json_files)
    $reasons = @{}
    foreach ($scheme in 'http', 'https') {
        if ($site.$scheme) { $reasons[$scheme] = (Wait-Site -Url $site.$scheme -Timeout $SecondsBefore).text }
    }
    $reasons
}

Function Wait-ServiceFailure {
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
        [Collections.IDictionary] $Knowledge
    )
    $found = @(Get-AccessManagerCertificate -Knowledge $Knowledge)
    foreach ($thumbprint in $Thumbprints) {
        $reason = Test-UsableCertificate -Found $found -Thumbprint $thumbprint -ServiceSid $Knowledge.service_sid
        if ($reason) { "$($thumbprint): $reason" }
    }
}

Function Get-LockedConfigurationSecret {
    # The paths of the secrets that the server's own files must hold after this restore, and that it does not find there or cannot
    # decrypt.
    param(
        [Object[]] $Documents,
        [Object[]] $Planned,
        [String[]] $Paths
    )
    $own = @(Select-MachineSecret -Secrets @(Get-ProtectedSecret -Documents $Documents -Paths $Paths))
    foreach ($secret in $Planned) {
        if ($secret.action -notin 'keep', 'here', 'protect') { continue }
        $found = @($own | Where-Object -FilterScript { $_.path -eq $secret.path })
        if (-not $found) { "$($secret.path) is not there" }
        elseif (Get-UnreadableSecret -Secrets $found) { "$($secret.path) cannot be decrypted" }
    }
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
    if (-not $reason) { return }
    $Done.failed_check = $Name
    throw "The check '$Name' failed: $reason"
}

Function Add-SiteCheck {
    # The same for an address of the web site. One that did not serve before the restore either is not waited for, and fails
    # nothing. Nor does a TLS handshake where nothing says that it succeeded before: Windows may forbid this client every version of
    # TLS that the site has. Announced: the secrets that the plan said the service may not open; it answers 500 without them.
    param(
        [Hashtable] $Done,
        [Uri] $Url,
        [Object] $Before,
        [Int32] $Timeout,
        [String[]] $Announced
    )
    $name = $Url.Scheme
    $known = $Before -and $Before.ContainsKey($name)
    $was = if ($known) { $Before[$name] }
    $answer = Wait-Site -Url $Url -Timeout $(if ($was) { 0 } else { $Timeout }) -Announced ([Boolean]$Announced)
    $warning = if ($Announced -and $answer.fails) {
        "Nobody can sign in until $($Announced -join ' and ') is entered again in the configuration tool"
    }
    elseif ($was) { 'The web site did not serve before the restore, and does not now' }
    elseif (-not $known -and $answer.handshake) { 'Whether the web site serves over TLS could not be tested: open it in a browser' }
    if (-not $answer.text -or -not $warning) { return Add-Check -Done $Done -Name $name -Body { $answer.text } }
    $Done.checks += @{ name = $name; passed = $false; reason = $answer.text }
    $Done.warnings += "$($warning): $($answer.text)"
}

Function Test-Configuration {
    # Whether the service has a configuration, serves as it says, and can decrypt the secrets in it.
    param(
        [Hashtable] $Bundle,
        [Hashtable] $Done,
        [Collections.IDictionary] $Knowledge,
        [Object] $Before,
        [Int32] $Timeout
    )
    $plan, $installation = $Bundle.plan, (Get-Installation)
    $documents = @(Read-Configuration -ConfigPath $installation.config_path -Names $Knowledge.json_files)
    Add-Check -Done $Done -Name 'configured' -Body {
        if ($plan.configured -and -not $installation.configured) {
            'Configured in the registry is not 1: the service would serve nothing'
        }
    }
    if ($plan.start -and $installation.configured) {
        $site = Get-Site -Documents $documents
        foreach ($url in @($site.http, $site.https)) {
            if ($url) { Add-SiteCheck -Done $Done -Url $url -Before $Before -Timeout $Timeout -Announced $plan.announced }
        }
    }
    Add-Check -Done $Done -Name 'secrets' -Body {
        @(Get-LockedConfigurationSecret -Documents $documents -Planned $plan.secrets -Paths $Knowledge.secrets) -join ', '
    }
}

Function Test-Health {
    # Every test of health, into Done.checks. The first that is not passed ends it. Before: what Get-SiteReason said before the
    # restore. Seconds: how long the service must stay running. Timeout: how long its web site is waited for. Since: when the change
    # began, after which events count. What the service itself imports is not read: it puts it aside meanwhile, and is not
    # configured yet.
    param(
        [Hashtable] $Bundle,
        [Hashtable] $Done,
        [Collections.IDictionary] $Knowledge,
        [Object] $Before,
        [Int32] $Seconds,
        [Int32] $Timeout,
        [DateTime] $Since
    )
    $plan = $Bundle.plan
    if ($plan.start) { Add-Check -Done $Done -Name 'running' -Body { Wait-ServiceFailure -Seconds 0 } }
    if (-not $plan.imported) {
        Test-Configuration -Bundle $Bundle -Done $Done -Knowledge $Knowledge -Before $Before -Timeout $Timeout
    }
    Add-Check -Done $Done -Name 'certificates' -Body {
        @(Get-UnusableCertificate -Thumbprints $plan.usable_certificates -Knowledge $Knowledge) -join '; '
    }
    if ($plan.start) { Add-Check -Done $Done -Name 'stays_running' -Body { Wait-ServiceFailure -Seconds $Seconds } }
    $Done.service_events = Get-LoggedEvent -Ids $Knowledge.events -Since $Since
}

Export-ModuleMember -Function Get-SiteReason, Get-Status, Test-Health
