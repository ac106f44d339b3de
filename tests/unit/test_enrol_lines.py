"""The lines that add a computer: they run what its package brings, and are doubted where they lead nowhere."""

import re
import zipfile
from pathlib import Path

import pytest

from controller.web.enrol_lines import commands
from controller.web.i18n import Language, language
from tools.windows import ROOT, pack, put_scripts

URL, TOKEN = "https://fab.example.vn", "ffe_abc-_9.0f"
WORDS = language("en")


@pytest.fixture
def package(tmp_path: Path) -> zipfile.ZipFile:
    """The scripts of the Windows package, zipped as it is."""
    folder = tmp_path / "folder"
    folder.mkdir()
    put_scripts(folder)
    pack(folder, tmp_path / "package.zip", 1_700_000_000)
    return zipfile.ZipFile(tmp_path / "package.zip")


def test_line_for_windows_runs_a_script_of_the_package_with_parameters_that_it_has(package: zipfile.ZipFile) -> None:
    line = commands(URL, TOKEN, WORDS).windows
    name = re.search(r"-File \.\\(\S+)", line)
    assert name is not None
    assert name[1] in package.namelist()
    script = package.read(name[1]).decode()
    declared = re.findall(r"\$(\w+)", script[script.index("\nparam(") : script.index("\n)\n")])
    assert dict(re.findall(r"-(\w+) (\S+)", line[name.end() :])) == {"Server": URL, "Token": TOKEN}
    assert {"Server", "Token"} <= set(declared)
    assert "Start-Service $service" in script.split("Invoke-Agent @enrol", 1)[1], "it is started once it is enrolled"


def test_script_of_the_package_calls_programs_that_it_brings(package: zipfile.ZipFile) -> None:
    for script in ("install.ps1", "uninstall.ps1"):
        called = set(re.findall(r"\$programs\\([\w.-]+)", package.read(script).decode()))
        assert called
        assert called <= set(package.namelist())


def test_line_for_debian_starts_the_service_that_its_package_brings() -> None:
    line = commands(URL, TOKEN, WORDS).linux
    assert line == f"sudo fabfleet-agent enrol {URL} {TOKEN} && sudo systemctl restart fabfleet-agent"
    assert (ROOT / "systemd" / "fabfleet-agent.service").is_file()


@pytest.mark.parametrize("words", [language("vi"), WORDS], ids=["vi", "en"])
@pytest.mark.parametrize(
    ("base", "said", "phones"),
    [
        ("https://fab.example.vn", "", True),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", False),
        ("https://localhost:8443", "localhost:8443", False),
        ("http://[::1]:8080", "[::1]:8080", False),
        ("http://10.0.0.5:8080", "HTTPS", True),
    ],
)
def test_lines_are_doubted_where_other_computers_cannot_follow_them(
    base: str, said: str, phones: bool, words: Language
) -> None:
    found = commands(base, TOKEN, words)
    assert (found.doubt is None) is (said == "")
    assert said in str(found.doubt or "")
    assert "notices.public_url" in str(found.doubt or "notices.public_url")
    assert found.phones is phones
