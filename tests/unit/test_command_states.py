"""How far a command has come, whatever is heard of it in whatever order."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.model import CommandStatus
from controller.commands.states import CONCLUDES, OPEN, SAYS, Standing, rank, standing

S = CommandStatus
FINAL = tuple(status for status in S if status.final)
WORDS = st.lists(st.sampled_from(list(S)), max_size=12)
SENT = Standing(S.SENT)


def heard(words: Iterable[CommandStatus], start: Standing = SENT) -> Standing:
    for word in words:
        start = start.hears(word)
    return start


def test_standing_goes_the_way_of_a_command_that_is_carried_out() -> None:
    way = [Standing(S.SENT)]
    for word in (S.ACCEPTED, S.RUNNING, S.DONE):
        way.append(way[-1].hears(word))

    assert [each.status for each in way] == [S.SENT, S.ACCEPTED, S.RUNNING, S.DONE]
    assert [each.told for each in way] == [False, False, False, True]


def test_tables_name_every_state() -> None:
    assert SAYS.keys() == CONCLUDES.keys() == set(S)
    assert all(OPEN[0] not in words and OPEN[1] not in words for words in SAYS.values()), "no agent queues or sends"


@given(words=WORDS)
def test_standing_never_goes_back(words: list[CommandStatus]) -> None:
    now = Standing()
    for word in words:
        after = now.hears(word)
        assert after == now or rank(after.reached) > rank(now.reached)
        now = after


@given(words=WORDS)
def test_standing_keeps_the_first_final_word_of_the_agent(words: list[CommandStatus]) -> None:
    first = next((word for word in words if word.final), None)

    after = heard(words)

    assert after.told == (first is not None)
    assert first is None or after.status is first


@given(words=WORDS, places=st.lists(st.integers(0, 11), max_size=6))
def test_standing_is_the_same_when_words_come_twice(words: list[CommandStatus], places: list[int]) -> None:
    again = list(words)
    for place in places:
        if place < len(words):
            again.insert(again.index(words[place]) + 1, words[place])

    assert heard(again) == heard(words)


@given(
    words=st.permutations([S.ACCEPTED, S.ACCEPTED, S.RUNNING, S.RUNNING]),
    end=st.sampled_from(FINAL),
    place=st.integers(0, 4),
)
def test_standing_is_the_same_whatever_the_order(words: list[CommandStatus], end: CommandStatus, place: int) -> None:
    assert heard([*words[:place], end, *words[place:]]) == Standing(end)


@pytest.mark.parametrize(
    ("reached", "end"),
    [(S.QUEUED, S.EXPIRED), (S.SENT, S.UNKNOWN), (S.ACCEPTED, S.UNKNOWN), (S.RUNNING, S.UNKNOWN)],
)
def test_conclusion_ends_a_command_and_is_not_the_agents_word(reached: CommandStatus, end: CommandStatus) -> None:
    ended = Standing(reached).concludes(end)

    assert (ended.status, ended.told) == (end, False)


@given(reached=st.sampled_from(OPEN), end=st.sampled_from(list(S)))
def test_conclusion_says_expired_only_of_what_was_never_sent(reached: CommandStatus, end: CommandStatus) -> None:
    ended = Standing(reached).concludes(end)

    assert ended.concluded is (end if end is (S.EXPIRED if reached is S.QUEUED else S.UNKNOWN) else None)


@given(reached=st.sampled_from(OPEN), words=WORDS)
def test_conclusion_gives_way_to_news_of_the_agent_and_to_nothing_else(
    reached: CommandStatus, words: list[CommandStatus]
) -> None:
    concluded = Standing(reached).concludes(S.EXPIRED).concludes(S.UNKNOWN)

    after = heard(words, concluded)

    if any(word in SAYS[reached] for word in words):
        assert after == heard(words, Standing(reached))
    else:
        assert after == concluded


@given(end=st.sampled_from(FINAL), conclusion=st.sampled_from(list(S)))
def test_final_word_of_the_agent_is_concluded_no_more(end: CommandStatus, conclusion: CommandStatus) -> None:
    assert Standing(end).concludes(conclusion) == Standing(end)


@given(words=WORDS, gives_up=st.booleans())
def test_standing_is_read_back_as_it_was_stored(words: list[CommandStatus], gives_up: bool) -> None:
    now, steps = Standing(), {S.QUEUED}
    for word in words:
        now = now.hears(word)
        steps.add(now.status)
    if gives_up:
        now = now.concludes(S.EXPIRED).concludes(S.UNKNOWN)
        steps.add(now.status)

    assert standing(now.status, steps, told=now.told) == now
