"""A form that brings a file, read in whatever pieces it comes."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.uploads import BadForm, FormReader

KIND = "multipart/form-data; boundary=xyz"
FILE = b"G28\r\n--xy\r\n-- not the boundary --\r\n\x00\xff" * 20
BODY = (
    b'--xyz\r\nContent-Disposition: form-data; name="title"\r\n\r\nC\xe1\xba\xa7u\r\n'
    b'--xyz\r\ncontent-disposition: form-data; name="file"; filename="c\xe1\xba\xa7u.gcode"\r\n'
    b"content-type: image/png\r\n\r\n" + FILE + b"\r\n"
    b'--xyz\r\ncontent-disposition: form-data; name="group"\r\n\r\n\r\n--xyz--\r\n'
)


def part(name: str, value: bytes = b"a") -> bytes:
    return f'--xyz\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n'.encode() + value + b"\r\n"


def whole(reader: FormReader, body: bytes) -> None:
    reader.feed(body)
    reader.finish()


@given(st.lists(st.integers(1, len(BODY)), max_size=30))
def test_form_is_the_same_in_whatever_pieces_it_comes(cuts: list[int]) -> None:
    reader, places = FormReader(KIND), [0, *sorted(cuts), len(BODY)]

    file = b"".join(reader.feed(BODY[start:end]) for start, end in pairwise(places))
    reader.finish()

    assert (file, reader.file_name) == (FILE, "cầu.gcode")
    assert reader.fields == {"title": "Cầu", "group": ""}


@given(st.integers(0, len(BODY) - 6))
def test_form_that_is_cut_off_is_told_from_a_whole_one(length: int) -> None:
    reader = FormReader(KIND)
    reader.feed(BODY[:length])

    with pytest.raises(BadForm, match="cut off"):
        reader.finish()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (part("title") + b"--xyz--\r\n", "no file"),
        (part("file") + b"--xyz--\r\n", "one file"),
        (part("title") + part("title") + b"--xyz--\r\n", "too many fields"),
        (b"".join(part(f"f{number}") for number in range(17)) + b"--xyz--\r\n", "too many fields"),
        (part("title", b"a" * 4_097) + b"--xyz--\r\n", "too long"),
        (BODY.replace(b'name="group"', b'name="file"; filename="b.gcode"'), "one file"),
    ],
)
def test_form_that_is_not_as_it_should_be_is_refused(body: bytes, told: str) -> None:
    reader = FormReader(KIND)

    with pytest.raises(BadForm, match=told):
        whole(reader, body)


@pytest.mark.parametrize(
    "kind", ["", "application/json", "multipart/form-data", "multipart/form-data; boundary=" + "x" * 300]
)
def test_body_of_another_kind_is_refused(kind: str) -> None:
    with pytest.raises(BadForm):
        FormReader(kind)


@given(st.binary(max_size=400))
def test_rubbish_is_refused_and_nothing_else_happens(body: bytes) -> None:
    reader = FormReader(KIND)

    with pytest.raises(BadForm):
        whole(reader, body)
