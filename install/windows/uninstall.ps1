# Removes the agent from this computer, as administrator; with -Purge what it knows as well
#Requires -RunAsAdministrator
[CmdletBinding()]
param([switch] $Purge)
$ErrorActionPreference = 'Stop'
$programs = "$env:ProgramFiles\Fabfleet"
$state = [Environment]::GetEnvironmentVariable('FABFLEET_STATE', 'Machine')

if (Get-Service FabfleetAgent -ErrorAction SilentlyContinue) {
    Stop-Service FabfleetAgent
    & "$programs\fabfleet-agent.cmd" service remove
}
$path = [Environment]::GetEnvironmentVariable('Path', 'Machine') -split ';' | Where-Object { $_ -ne $programs }
[Environment]::SetEnvironmentVariable('Path', ($path -join ';'), 'Machine')
if ($Purge -and $state) {
    Remove-Item -Recurse -Force $state
    [Environment]::SetEnvironmentVariable('FABFLEET_STATE', $null, 'Machine')
}
if (Test-Path $programs) { Remove-Item -Recurse -Force $programs }
