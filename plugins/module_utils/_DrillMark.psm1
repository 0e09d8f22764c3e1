# Copyright (c) 2026, lithnet.access_manager contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The mark of a drill: what is on this server was put here by it, and the next drill may remove it.

#AnsibleRequires -PowerShell ..module_utils._FileRecord
#AnsibleRequires -PowerShell ..module_utils._StagingFolder
#AnsibleRequires -CSharpUtil ansible_collections.lithnet.access_manager.plugins.module_utils._Json

Set-StrictMode -Version 2.0

Function Get-MarkPath {
    $data = [Environment]::GetFolderPath([Environment+SpecialFolder]::CommonApplicationData)
    [IO.Path]::Combine($data, 'lithnet.access_manager.drill', 'mark.json')
}

Function Read-DrillMark {
    # What the mark says, parsed; $null when no drill is on this server.
    $path = Get-MarkPath
    if (-not [IO.File]::Exists($path)) { return $null }
    Assert-OwnFolder -Path ([IO.Path]::GetDirectoryName($path))
    [ansible_collections.lithnet.access_manager.plugins.module_utils._Json.Json]::Parse((Read-TextFile -Path $path))
}

Function Get-MarkedDrill {
    # The drill that the mark names; $null when no drill is on this server.
    $mark = Read-DrillMark
    if ($mark) { $mark.drill } else { $null }
}

Function Get-DrillKeyPath {
    [IO.Path]::Combine([IO.Path]::GetDirectoryName((Get-MarkPath)), 'keys')
}

Function Add-DrillKey {
    # Notes the files of the keys that a restore brought, when a drill is on this server: its removal ends when these are gone.
    param([Object[]] $Undo)
    if (-not [IO.File]::Exists((Get-MarkPath))) { return }
    $files = [String[]]@($Undo | Where-Object -FilterScript { $_.action -ne 'give_access' -and $_.file } |
            ForEach-Object -Process { $_.file })
    [IO.File]::AppendAllLines((Get-DrillKeyPath), $files)
}

Function Get-DrillKey {
    # The files of keys that were noted.
    $path = Get-DrillKeyPath
    if ([IO.File]::Exists($path)) { [IO.File]::ReadAllLines($path) }
}

Export-ModuleMember -Function *
