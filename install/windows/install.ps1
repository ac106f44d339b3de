# Installs the agent of this computer, or a newer one over it: from the unpacked package, as administrator
#
#   .\install.ps1 -Server https://fabfleet.example.org -Token TOKEN
#   .\install.ps1 -Server ... -Token ... -AtFirstBoot    in an image: each copy enrols by itself when it first starts
#   .\install.ps1 -Server ... -Token ... -State D:\Fabfleet     where drive C: is frozen and D: is not
#   .\install.ps1                                               a newer version; what it knows stays
#
# Where scripts are not allowed: powershell -ExecutionPolicy Bypass -File .\install.ps1 ...
# Not run again by itself: each step may be done twice.
#Requires -RunAsAdministrator
[CmdletBinding()]
param(
    [string] $Server,
    [string] $Token,
    [string] $Name,
    [switch] $AtFirstBoot,
    [string] $State = $(if ($env:FABFLEET_STATE) { $env:FABFLEET_STATE } else { "$env:ProgramData\Fabfleet" })
)
$ErrorActionPreference = 'Stop'
$programs = "$env:ProgramFiles\Fabfleet"
$service = 'FabfleetAgent'

function Invoke-Agent {
    & "$programs\fabfleet-agent.cmd" @args
    if ($LASTEXITCODE -ne 0) { throw "fabfleet-agent $($args[0]) failed ($LASTEXITCODE)" }
}

# the programs, unless this is run where they are already; a running agent holds its files
if (Get-Service $service -ErrorAction SilentlyContinue) { Stop-Service $service }
New-Item -ItemType Directory -Force $State | Out-Null
if ($PSScriptRoot -ne $programs) {
    if (Test-Path $programs) { Remove-Item -Recurse -Force $programs }
    New-Item -ItemType Directory -Force $programs | Out-Null
    Copy-Item -Recurse "$PSScriptRoot\*" $programs
}

# for the service and for whoever types fabfleet-agent
[Environment]::SetEnvironmentVariable('FABFLEET_STATE', $State, 'Machine')
$env:FABFLEET_STATE = $State
$path = [Environment]::GetEnvironmentVariable('Path', 'Machine')
if (($path -split ';') -notcontains $programs) {
    [Environment]::SetEnvironmentVariable('Path', "$path;$programs", 'Machine')
}

# the state holds a password: system, administrators and the service's own account, nobody else
Invoke-Agent service install --state $State
icacls $State /inheritance:r /grant:r '*S-1-5-18:(OI)(CI)F' '*S-1-5-32-544:(OI)(CI)F' "NT SERVICE\${service}:(OI)(CI)M" | Out-Null
if ($LASTEXITCODE -ne 0) { throw "the rights on $State cannot be set ($LASTEXITCODE)" }

if ($Token) {
    $enrol = @('enrol', $Server, $Token, '--state', $State)
    if ($Name) { $enrol += @('--name', $Name) }
    if ($AtFirstBoot) { $enrol += '--at-first-boot' }
    Invoke-Agent @enrol
}
if (Test-Path "$State\agent\agent.toml") {
    Start-Service $service
    Invoke-Agent status
} elseif ($AtFirstBoot) {
    Write-Host 'Sown. Shut this computer down and make the image; do not start it before.'
} else {
    Write-Host 'Installed. It starts once it is enrolled: run this again with -Server and -Token.'
}
