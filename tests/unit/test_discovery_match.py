"""What a thing may be, from what is known of it."""

import hypothesis.strategies as st
from hypothesis import given

from agent.discovery_match import Evidence, Hint, candidates, clue, found, hint_of, merged
from contract.found import MAX_CANDIDATES, SURE, ClueKind, Found
from contract.messages import Inventory, encode
from contract.wire import decode
from device_profiles.profile import Recognise, load, slugs

HINTS = tuple(hint_of(load(slug)) for slug in slugs())


def at_port(usb: str, *said: tuple[ClueKind, str]) -> Evidence:
    clues = (clue(ClueKind.USB, usb), *(clue(kind, text) for kind, text in said))
    return Evidence("usb/1", clues=clues, path="/dev/ttyUSB0")


def in_network(kind: ClueKind, text: str, port: int = 0) -> Evidence:
    return Evidence("net/h", clues=(clue(kind, text),), host="10.20.3.41", ports={kind: port} if port else {})


def first(evidence: Evidence) -> tuple[str, bool, str]:
    best = candidates(evidence, HINTS)[0]
    return best.profile, best.confidence >= SURE, best.endpoint


def test_candidate_of_an_id_that_one_model_has_is_sure() -> None:
    assert first(at_port("2c99:0002")) == ("prusa/mk3s", True, "/dev/ttyUSB0")


def test_candidates_of_a_chip_that_many_models_have_are_guesses() -> None:
    told = candidates(at_port("1a86:7523"), HINTS)
    assert {each.profile for each in told} >= {"arduino/nano", "creality/ender-3", "sculpfun/s30"}
    assert all(each.confidence < SURE for each in told)


def test_candidate_that_answers_as_it_should_comes_first_and_others_fall_away() -> None:
    told = candidates(at_port("1a86:7523", (ClueKind.PROBE, "FIRMWARE_NAME:Marlin 2.1.2 UUID:...")), HINTS)
    assert told[0].profile == "creality/ender-3"
    assert told[0].by == (ClueKind.USB, ClueKind.PROBE)
    assert told[0].confidence < SURE, "many printers have this chip and this firmware: a person looks"
    assert "sculpfun/s30" not in [each.profile for each in told], "Grbl would have answered otherwise"


def test_banner_of_a_laser_says_what_the_chip_does_not() -> None:
    assert first(at_port("1a86:7523", (ClueKind.BANNER, "Grbl 1.1h ['$' for help]")))[0] == "sculpfun/s30"


def test_projector_is_known_by_its_model_else_by_its_language() -> None:
    assert first(in_network(ClueKind.PJLINK, "PJLINK EPSON / EPSON L200F / P206")) == (
        "epson/eb-l200f",
        True,
        "tcp://10.20.3.41:4352",
    )
    assert first(in_network(ClueKind.PJLINK, "PJLINK NEC / P605UL /"))[:2] == ("pjlink/projector", True)


def test_snmp_is_known_by_whole_parts_of_its_object_id() -> None:
    assert first(in_network(ClueKind.SNMP, "1.3.6.1.4.1.41112.1.4"))[:2] == ("ubiquiti/unifi-ap", True)
    assert candidates(in_network(ClueKind.SNMP, "1.3.6.1.4.1.411121"), HINTS) == ()
    assert first(in_network(ClueKind.SNMP, "1.3.6.1.4.1.14823.1.2.111"))[0] == "aruba/instant-ap"
    assert candidates(in_network(ClueKind.SNMP, "1.3.6.1.4.1.14823.1.1.40"), HINTS) == (), "a controller of Aruba's"


def test_services_are_known_by_their_type_and_found_at_their_port() -> None:
    assert first(in_network(ClueKind.MDNS, "_octoprint._tcp", 5000)) == (
        "octoprint/printer",
        True,
        "http://10.20.3.41:5000",
    )


def test_thing_at_a_port_is_never_taken_for_one_in_the_network() -> None:
    assert candidates(Evidence("k", clues=(clue(ClueKind.PJLINK, "PJLINK X"),), path="/dev/ttyUSB0"), HINTS) == ()


def test_what_is_known_of_one_thing_in_several_ways_is_put_together() -> None:
    projector = in_network(ClueKind.PJLINK, "PJLINK NEC / P605UL /")
    one = merged([projector, in_network(ClueKind.SNMP, "1.3.6.1.4.1.119"), projector])
    assert [[each.kind for each in thing.clues] for thing in one] == [[ClueKind.PJLINK, ClueKind.SNMP]]


texts = st.text(max_size=300)
kinds = st.sampled_from(ClueKind)
evidences = st.builds(
    Evidence,
    key=st.text(min_size=1, max_size=300).filter(lambda key: key.isprintable() and bool(key.strip())),
    name=texts,
    identity=texts,
    clues=st.lists(st.builds(clue, kinds, texts), max_size=30).map(tuple),
    path=st.sampled_from(["", "/dev/ttyUSB0"]),
    host=st.sampled_from(["", "10.0.0.9", "fe80::1"]),
)


@given(evidences)
def test_whatever_a_thing_says_is_told_within_bounds(evidence: Evidence) -> None:
    told = found(evidence, HINTS, 5)
    assert isinstance(told, Found)
    assert len(told.candidates) <= MAX_CANDIDATES
    inventory = Inventory("00000000000000aa", 1, found=(told,))
    assert decode(Inventory, encode(inventory)) == inventory


@given(st.lists(st.sampled_from(HINTS), unique_by=lambda hint: hint.slug, max_size=12), st.sampled_from(HINTS))
def test_candidates_are_ordered_and_at_most_one_is_sure(some: list[Hint], this: Hint) -> None:
    usb = this.recognise.usb[0] if this.recognise.usb else "ffff:0001"
    told = candidates(at_port(usb, (ClueKind.PROBE, this.recognise.probe or "?")), some)
    assert sorted((each.confidence for each in told), reverse=True) == [each.confidence for each in told]
    assert sum(each.confidence >= SURE for each in told) <= 1


def test_hint_without_a_word_fits_nothing() -> None:
    assert candidates(at_port("1a86:7523"), [Hint("a/b", "grbl", Recognise())]) == ()
