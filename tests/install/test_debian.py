"""The Debian packages on a machine of their own: installed as README.md says, hung, upgraded, removed."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.install.container import Container, container
from tools.deb import AGENT, PARTS, Target, build, commit_time

pytestmark = [pytest.mark.install, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
README, GUIDE = ROOT / "README.md", ROOT / "docs" / "install.md"
FIRST = Target("amd64", "3.11", 1, commit_time())
NEXT = replace(FIRST, revision=2)
SERVICES = ("fabfleet-agent", "fabfleet-controller")


def guided(heading: str, file: Path = GUIDE) -> list[str]:
    """The commands of one section of the guide, or of another file."""
    section = file.read_text("utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"(?m)^ {4}(\S.*)$", section)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Of this version and, as `next`, of the one after it."""
    folder = tmp_path_factory.mktemp("packages")
    first = dict(zip(PARTS, build(FIRST, tuple(PARTS.values()), folder), strict=True))
    following = dict(zip(PARTS, build(NEXT, tuple(PARTS.values()), folder), strict=True))
    return first | {f"next {name}": path for name, path in following.items()}


@pytest.fixture(scope="module")
def machine(packages: dict[str, Path]) -> Iterator[Container]:
    """On which somebody did what the guide says."""
    with container() as machine:
        for name in PARTS:
            machine.put(packages[name], "root")
        yield machine


@pytest.fixture(scope="module")
def said(machine: Container) -> str:
    """By the README's commands, together: it is all that a stranger has."""
    return machine.do("\n".join(guided("Install", README)))


def online(machine: Container) -> None:
    """The agent is in touch with its controller, and looks after its devices."""
    machine.until("fabfleet-agent status", "server   online")
    machine.until("fabfleet-agent status", "computer open")


def identity(machine: Container) -> tuple[str, str]:
    """What must outlive everything but a purge: the agent's credentials and the accounts."""
    return machine.do("sha256sum /var/lib/fabfleet/agent/credentials.json"), machine.do("fabfleet user list")


def process(machine: Container, service: str) -> str:
    return machine.do(f"systemctl show --property MainPID --value {service}")


def test_a_stranger_has_a_server_and_an_agent_in_fewer_than_ten_commands(machine: Container, said: str) -> None:
    assert len(guided("Install", README)) < 10
    assert guided("Install", README) == guided("A server and its first agent"), "README and guide say the same"
    assert re.search(r"(?m)^password: \S{12,}$", said)
    online(machine)
    assert "Nguyễn Thị An" in machine.do("fabfleet user list")
    machine.until("fabfleet verify", "thcs-hoa-ban")
    assert machine.told("systemctl --failed --no-legend") == ""
    assert "<title>" in machine.do(
        "python3 -c 'import urllib.request as u; print(u.urlopen(\"http://127.0.0.1:8080\").read())'"
    )


def test_opened_to_the_network_the_first_agent_comes_along(machine: Container, said: str) -> None:
    """By the guide's commands; its name, its history and its settings stay."""
    before = machine.do("fabfleet-agent status | head -1; sha256sum /var/lib/fabfleet/agent/identity.json")
    machine.do("\n".join(guided("Opening it to the network")))
    online(machine)
    assert machine.do("fabfleet-agent status | head -1; sha256sum /var/lib/fabfleet/agent/identity.json") == before
    machine.until("fabfleet verify", "nothing is missing")


def test_each_service_runs_as_its_own_user_who_alone_reads_its_state(machine: Container, said: str) -> None:
    for service, user in zip(SERVICES, ("fabfleet-agent", "fabfleet"), strict=True):
        assert machine.do(f"ps -o user:20= -p {process(machine, service)}") == user
    assert machine.do("stat -c '%a %U' /var/lib/fabfleet/* /etc/fabfleet/*").splitlines() == [
        "700 fabfleet-agent",
        "700 fabfleet",
        "640 root",
        "640 root",
    ]
    assert machine.do("stat -c '%a %U' /var/lib/fabfleet/agent/credentials.json") == "600 fabfleet-agent"
    assert machine.told("find /var/lib/fabfleet/ -mindepth 2 -user root") == ""


def test_a_service_that_hangs_is_killed_and_started_again(machine: Container, said: str) -> None:
    """The watchdogs are shortened here, as an administrator may; the units' own are a minute and two."""
    for service, patience_s in zip(SERVICES, (20, 45), strict=True):
        folder = f"/etc/systemd/system/{service}.service.d"
        machine.do(f"mkdir -p {folder}; printf '[Service]\nWatchdogSec={patience_s}\n' > {folder}/watchdog.conf")
    machine.do("systemctl daemon-reload; systemctl restart fabfleet-controller fabfleet-agent")
    online(machine)
    hung = [process(machine, service) for service in SERVICES]
    machine.do(f"kill -STOP {' '.join(hung)}")
    for service, before in zip(SERVICES, hung, strict=True):
        machine.until(f"[ $(systemctl show --property NRestarts --value {service}) -gt 0 ] && echo again", "again")
        machine.until(f"systemctl is-active {service}", "active")
        assert process(machine, service) != before
        assert "watchdog" in machine.do(f"journalctl --unit {service} | tr A-Z a-z")
    online(machine)
    machine.do("rm -r /etc/systemd/system/fabfleet-*.service.d; systemctl daemon-reload")


def test_both_come_back_after_a_reboot(machine: Container, said: str) -> None:
    before = identity(machine)
    machine.reboot()
    online(machine)
    assert identity(machine) == before


def test_an_upgrade_keeps_state_and_changed_settings(machine: Container, said: str, packages: dict[str, Path]) -> None:
    before = identity(machine)
    machine.do("echo 'log_level = \"warning\"' >> /etc/fabfleet/controller.toml")
    old = [process(machine, service) for service in SERVICES]
    for name in PARTS:
        machine.put(packages[f"next {name}"], "root")
    machine.do(f"apt-get install -y ./fabfleet-*_{NEXT.version}_amd64.deb")
    assert machine.do("dpkg-query -W -f '${Version} ' fabfleet-agent fabfleet-controller").split() == [NEXT.version] * 2
    online(machine)
    assert [process(machine, service) for service in SERVICES] != old
    assert identity(machine) == before
    assert "warning" in machine.do("cat /etc/fabfleet/controller.toml")
    assert "nothing is missing" in machine.do("fabfleet verify")


def test_remove_keeps_state_and_a_later_install_goes_on_with_it(machine: Container, said: str) -> None:
    before = identity(machine)
    machine.do("apt-get remove -y fabfleet-agent fabfleet-controller")
    assert machine.told("ls /opt/fabfleet; pgrep -f /opt/fabfleet; ls /usr/lib/systemd/system/fabfleet*") == ""
    assert machine.do("ls /var/lib/fabfleet /etc/fabfleet").split() == [
        "/etc/fabfleet:", "agent.toml", "controller.toml", "/var/lib/fabfleet:", "agent", "controller"
    ]  # fmt: skip
    machine.do(f"apt-get install -y ./fabfleet-*_{NEXT.version}_amd64.deb")
    online(machine)
    assert identity(machine) == before


def test_purge_leaves_nothing_but_the_accounts(machine: Container, said: str) -> None:
    machine.do("apt-get purge -y fabfleet-agent fabfleet-controller")
    places = "/opt/fabfleet /var/lib/fabfleet /etc/fabfleet /etc/default/fabfleet-agent /usr/bin/fabfleet*"
    assert machine.told(f"ls -d {places}") == ""
    assert machine.told("find /etc/systemd /var/lib/systemd/deb-systemd-helper-enabled -name 'fabfleet*.service'") == ""
    assert machine.do("getent passwd fabfleet fabfleet-agent | cut -d: -f7").split() == ["/usr/sbin/nologin"] * 2


def test_a_copy_of_an_image_enrols_by_the_seed_on_its_boot_partition_and_uses_it_up(
    machine: Container, said: str, tmp_path: Path
) -> None:
    """After the purge nobody knows this computer: the packages are installed, and nothing else is done on it."""
    machine.do(f"apt-get install -y ./fabfleet-*_{NEXT.version}_amd64.deb")
    assert machine.told("systemctl is-active fabfleet-agent fabfleet-agent-seed").split() == ["inactive"] * 2
    token = machine.do("fabfleet enrol-token --school thcs-hoa-ban --school-name 'THCS Hoa Ban' --uses 1")
    seed = tmp_path / "fabfleet-seed.toml"
    seed.write_text(f'url = "http://127.0.0.1:8080"\r\ntoken = "{token}"\r\nname = "card-7"\r\n')
    machine.put(seed, "boot")
    machine.reboot()
    online(machine)
    assert "thcs-hoa-ban/card-7" in machine.do("fabfleet-agent status")
    machine.until("ls /boot", "")
    assert "fabfleet-seed.toml" not in machine.do("ls -a /boot")
    assert machine.do("stat -c '%a %U' /var/lib/fabfleet/agent/credentials.json") == "600 fabfleet-agent"
    assert machine.told("systemctl --failed --no-legend") == ""


def test_a_broker_of_ones_own_is_reloaded_each_time_its_files_change(machine: Container, said: str) -> None:
    """As docs/operating.md has it, with a service that only counts in the broker's place."""
    unit = "/etc/systemd/system/broker.service"
    machine.do(
        f"printf '[Service]\nExecStart=/usr/bin/sleep infinity\nExecReload=/bin/sh -c \"echo again >> /run/reloads\"\n'"
        f" > {unit}; install -d -m 2750 -o fabfleet /var/lib/fabfleet-broker; systemctl daemon-reload;"
        " systemctl start broker; systemctl enable --now fabfleet-broker@broker.path"
    )
    for count in (1, 2):
        machine.do("touch /var/lib/fabfleet-broker/changed")
        machine.until("cat /run/reloads | wc -l", str(count))
    assert machine.told("ls /var/lib/fabfleet-broker") == ""
    machine.do("systemctl disable --now fabfleet-broker@broker.path; systemctl stop broker")


def test_the_same_commit_gives_the_same_package(packages: dict[str, Path], tmp_path: Path) -> None:
    [again] = build(FIRST, [AGENT], tmp_path)
    assert again.read_bytes() == packages["agent"].read_bytes()
