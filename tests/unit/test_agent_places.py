"""Where an agent keeps its state and its settings on each system."""

from pathlib import Path

import pytest

from agent.places import config_file, state_folder


@pytest.mark.parametrize(
    ("environment", "platform", "folder"),
    [
        ({}, "linux", "/var/lib/fabfleet"),
        ({"FABFLEET_STATE": "/srv/fabfleet"}, "linux", "/srv/fabfleet"),
        ({"ProgramData": "D:/Data"}, "win32", "D:/Data/Fabfleet"),
        ({}, "win32", "C:\\ProgramData/Fabfleet"),
        ({"ProgramData": "C:/ProgramData", "FABFLEET_STATE": "E:/Fabfleet"}, "win32", "E:/Fabfleet"),
    ],
)
def test_state_folder_is_the_system_s_usual_one_unless_it_is_named(
    environment: dict[str, str], platform: str, folder: str
) -> None:
    assert state_folder(environment, platform) == Path(folder)


@pytest.mark.parametrize(
    ("state", "platform", "file"),
    [
        ("/var/lib/fabfleet", "linux", "/etc/fabfleet/agent.toml"),
        ("/tmp/demo", "linux", "/tmp/demo/agent/agent.toml"),
        ("C:/ProgramData/Fabfleet", "win32", "C:/ProgramData/Fabfleet/agent/agent.toml"),
    ],
)
def test_settings_are_in_etc_for_the_system_s_own_agent_and_with_the_state_for_any_other(
    state: str, platform: str, file: str
) -> None:
    assert config_file(Path(state), platform) == Path(file)
