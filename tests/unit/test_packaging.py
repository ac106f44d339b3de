"""What is installed, from where, and that nothing else answers to our names."""

import re
import tomllib
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.lock import FOLDER, LOCKS, Lock

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


def pins(lock: Lock) -> dict[str, str]:
    return {canonicalize_name(name): version for name, version in _PIN.findall(lock.path.read_text("utf-8"))}


def test_no_other_distribution_provides_our_top_level_names() -> None:
    ours = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    provided = packages_distributions()  # an editable install lists none of its packages
    assert {name: set(provided.get(name, ())) - {"fabfleet"} for name in ours} == {name: set() for name in ours}
    assert [name for name in ours if Path(str(import_module(name).__file__)).parent != ROOT / name] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_lock_records_no_address_and_a_hash_for_every_pin(lock: Lock) -> None:
    text = lock.path.read_text("utf-8")
    assert not re.search(r"://|file:/|^-|find-links|index-url|trusted-host|@ ", text, re.MULTILINE)
    blocks = re.split(r"(?m)^(?=[A-Za-z0-9])", text)[1:]
    assert blocks
    assert [block for block in blocks if not _PIN.match(block) or "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_lock_pins_a_fitting_version_of_every_requirement_in_its_extras(lock: Lock) -> None:
    wanted = [line for extra in lock.extras for line in PROJECT["project"]["optional-dependencies"][extra]]
    wanted += PROJECT["build-system"]["requires"] if lock.builds else []
    pinned = pins(lock)
    for requirement in map(Requirement, wanted):
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), requirement


def test_locks_agree_on_every_version() -> None:
    chosen: dict[str, set[str]] = {}
    for lock in LOCKS:
        for name, version in pins(lock).items():
            chosen.setdefault(name, set()).add(version)
    assert {name: versions for name, versions in chosen.items() if len(versions) > 1} == {}


def test_every_extra_is_in_a_lock_and_every_lock_is_known() -> None:
    assert set(PROJECT["project"]["optional-dependencies"]) == {extra for lock in LOCKS for extra in lock.extras}
    assert {path.stem for path in FOLDER.glob("*.lock")} == {lock.name for lock in LOCKS}
