"""Settings by scope: the nearest wins, whatever else is wanted; and what is told of an agent that is not there yet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.desired import ConfigStand, DesiredDevice, Rejection, is_secret
from contract.model import ContractError, Value
from contract.settings import SETTINGS, Setting, check_settings
from controller.desired.drift import Drift, Wanted, drift
from controller.desired.inheritance import WHOLE_CLUSTER, Level, Origin, Place, effective, place_of

CHAIN = (WHOLE_CLUSTER, Place(Level.SCHOOL, "binh-minh"), Place(Level.ROOM, id=3), Place(Level.AGENT, id=7))
settings = st.dictionaries(st.sampled_from(sorted(SETTINGS)), st.integers(0, 5), max_size=6)


@given(st.tuples(settings, settings, settings, settings))
def test_nearest_place_that_says_anything_of_a_key_wins(wanted: tuple[dict[str, Value], ...]) -> None:
    found = effective(zip(CHAIN, wanted, strict=True))
    assert set(found) == set().union(*wanted)
    for key, origin in found.items():
        nearest = max(at for at, each in enumerate(wanted) if key in each)
        assert origin == Origin(wanted[nearest][key], CHAIN[nearest])


@given(st.tuples(settings, settings, settings, settings), st.integers(0, 3))
def test_clearing_a_place_gives_what_it_would_have_inherited(
    wanted: tuple[dict[str, Value], ...], cleared: int
) -> None:
    rest = [{} if at == cleared else each for at, each in enumerate(wanted)]
    left = [(place, each) for at, (place, each) in enumerate(zip(CHAIN, wanted, strict=True)) if at != cleared]
    assert effective(zip(CHAIN, rest, strict=True)) == effective(left)


@pytest.mark.parametrize("place", CHAIN)
def test_place_is_read_as_it_is_written(place: Place) -> None:
    assert place_of(str(place)) == place


@pytest.mark.parametrize(
    "text", ["", "cluster-1", "school-", "school-A", "room-", "room-0", "agent-07", "agent-x", "x-1"]
)
def test_place_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ContractError):
        place_of(text)


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda each: each.key)
def test_every_setting_takes_its_default_and_its_bounds_and_nothing_beyond(setting: Setting) -> None:
    if setting.default != "":
        check_settings({setting.key: setting.default})
    bad: list[Value] = [True, "x\0y"]
    if setting.pattern is None:
        check_settings({setting.key: int(setting.most)})
        bad += [setting.most + 1, setting.least - 1, "1"]
    else:
        bad += ["", "a b", "x" * 400, 5]
    for value in bad:
        with pytest.raises(ContractError, match=setting.key):
            check_settings({setting.key: value})


@pytest.mark.parametrize("host", ["broker", "10.0.0.5", "mqtt.truong.example", "2001:db8::1"])
def test_broker_may_be_a_name_or_an_address(host: str) -> None:
    check_settings({"broker.host": host, "controller.url": f"https://{f'[{host}]' if ':' in host else host}:8443/fab"})


def test_secret_options_do_not_travel() -> None:
    assert [is_secret(name) for name in ("key", "auth_password", "community", "key_file", "baud")] == [
        True, True, True, False, False,
    ]  # fmt: skip
    with pytest.raises(ContractError, match="a secret does not travel"):
        DesiredDevice("p", "klipper/printer", options={"key": "sekret"})
    DesiredDevice("p", "klipper/printer", options={"key_file": "/etc/fabfleet/p.key"})


@pytest.mark.parametrize(
    ("wanted", "said", "state"),
    [
        (Wanted(1, 0, online=True), ConfigStand(), Drift.UNTOLD),
        (Wanted(1, 2, online=True), ConfigStand(), Drift.ON_ITS_WAY),
        (Wanted(1, 2, online=False), ConfigStand(1, 1), Drift.OFFLINE),
        (Wanted(1, 2, online=True), ConfigStand(1, 2, on_trial=True), Drift.ON_ITS_WAY),
        (Wanted(1, 2, online=True), ConfigStand(1, 2), Drift.IN_FORCE),
        (Wanted(1, 2, online=False), ConfigStand(1, 2), Drift.IN_FORCE),
        (Wanted(1, 2, online=True), ConfigStand(1, 1, "", False, 1, 2, Rejection.REFUSED), Drift.REFUSED),
        (Wanted(1, 2, online=False), ConfigStand(1, 1, "", False, 1, 2, Rejection.ROLLED_BACK), Drift.ROLLED_BACK),
        (Wanted(1, 3, online=True), ConfigStand(1, 1, "", False, 1, 2, Rejection.ROLLED_BACK), Drift.ON_ITS_WAY),
        (Wanted(2, 2, online=True), ConfigStand(1, 2), Drift.ON_ITS_WAY),
    ],
)
def test_drift_says_how_it_stands(wanted: Wanted, said: ConfigStand, state: Drift) -> None:
    assert drift(wanted, said) is state
