"""The chain over the audit log names what was done to it, wherever and whatever it was."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.identity.seals import Damage, Harm, Line, Part, canonical, damages, grouped, sealed


def line(line_id: int, detail: str = "") -> Line:
    return Line(line_id, 1_800_000_000_000 + line_id, "u1", "sign-in", "", None, "10.0.0.1", detail)


def chain(*groups: Sequence[int]) -> list[Part]:
    parts: list[Part] = []
    for ids in groups:
        lines = [line(each) for each in ids]
        parts.append((sealed(lines, ids[-1], parts[-1][0] if parts else None), lines))
    return parts


LOG = chain([1, 2, 4], [5, 6], [9, 10, 11])
"""3, 7 and 8 were never committed."""


def test_line_is_written_as_json_that_others_can_hash() -> None:
    written = canonical(Line(7, 12, "a", "booking-make", "b", "an-phu", "", 'Phòng "1"\n'))
    assert written == '[7,12,"a","booking-make","b","an-phu","","Phòng \\"1\\"\\n"]\n'.encode()


def test_log_as_it_was_sealed_has_no_damage() -> None:
    assert list(damages(LOG)) == []
    assert list(damages([])) == []


@given(st.integers(0, 2), st.data())
def test_line_that_was_altered_removed_or_inserted_is_named(place: int, data: st.DataObject) -> None:
    segment, lines = LOG[place]
    at = data.draw(st.integers(0, len(lines) - 1))
    harm = data.draw(st.sampled_from(Harm))
    if harm is Harm.INSERTED:
        named = data.draw(st.sampled_from([3, 7, 8]).filter(lambda each: segment.from_id <= each <= segment.to_id)
                          if place != 1 else st.just(-5))  # fmt: skip
        forged = sorted([*lines, line(named)])
    else:
        named = lines[at].id
        kept = [each for each in lines if each.id != named]
        forged = sorted([*kept, line(named, "x")]) if harm is Harm.ALTERED else kept
    parts = [*LOG[:place], (segment, forged), *LOG[place + 1 :]]

    assert list(damages(parts)) == [Damage(segment.number, harm, named)]


@pytest.mark.parametrize(
    "forgery",
    [{"count": 1}, {"to_id": 7}, {"from_id": 4}, {"before": "0" * 64}, {"seal": "f" * 64}, {"lines_hash": "0" * 64}],
)
def test_segment_whose_own_row_was_altered_is_named(forgery: dict[str, object]) -> None:
    second = replace(LOG[1][0], **forgery)  # type: ignore[arg-type]
    found = list(damages([LOG[0], (second, LOG[1][1]), LOG[2]]))
    assert Damage(2, Harm.ALTERED) in found


def test_segment_that_was_sealed_anew_does_not_fit_the_one_after() -> None:
    forged = [*LOG[1][1][:-1], line(6, "another")]
    anew = sealed(forged, 6, LOG[0][0])
    assert list(damages([LOG[0], (anew, forged), LOG[2]])) == [Damage(3, Harm.ALTERED)]


def test_segment_that_was_removed_with_its_lines_is_named() -> None:
    assert list(damages([LOG[0], LOG[2]])) == [Damage(2, Harm.REMOVED)]
    assert list(damages(LOG[1:])) == [Damage(1, Harm.REMOVED)]


def test_alteration_is_told_though_the_prints_were_altered_too() -> None:
    segment, _ = LOG[0]
    forged = [line(1), line(2, "x"), line(4)]
    prints = sealed(forged, 4, None).prints
    assert list(damages([(replace(segment, prints=prints), forged)])) == [Damage(1, Harm.ALTERED)]


def test_lines_next_to_one_another_are_told_in_one_sentence() -> None:
    found = [Damage(1, Harm.REMOVED, each) for each in (3, 4, 5, 9)] + [Damage(2, Harm.ALTERED)]
    assert list(grouped(found)) == [
        "lines 3 to 5 of segment 1 were removed",
        "line 9 of segment 1 was removed",
        "segment 2 was altered",
    ]
