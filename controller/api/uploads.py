"""Read a form that brings a file, piece by piece: short fields are kept, the file's bytes handed on as they come."""

from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

MOST_FIELDS: Final = 16
LONGEST_FIELD: Final = 4096
"""Bytes."""


class BadForm(Exception):
    """Not a form as it should be; the message says how."""


class FormReader:
    """Sorts the body of one multipart/form-data request. The file is the part of name `file`; there may be one."""

    def __init__(self, content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise BadForm("the body is not multipart/form-data")
        self.fields: dict[str, str] = {}
        self.file_name: str | None = None
        self._ended = False
        self._name: str | None = None
        self._header = [bytearray(), bytearray()]
        self._disposition = b""
        self._value = bytearray()
        self._file = bytearray()
        try:
            self._parser = MultipartParser(
                options[b"boundary"],
                {
                    "on_part_begin": self._part_begins,
                    "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                    "on_header_end": self._header_ends,
                    "on_headers_finished": self._headers_end,
                    "on_part_data": self._data,
                    "on_part_end": self._part_ends,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise BadForm(str(error)) from None

    def feed(self, data: bytes) -> bytes:
        """Take the next piece of the body; the bytes of the file that were in it. Raises BadForm."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise BadForm(str(error)) from None
        found = bytes(self._file)
        self._file.clear()
        return found

    def finish(self) -> None:
        """The body has ended. Raises BadForm unless the form has too, with a file in it."""
        if not self._ended:
            raise BadForm("the form is cut off")
        if self.file_name is None:
            raise BadForm("there is no file in the form")

    def _part_begins(self) -> None:
        self._name, self._disposition = None, b""
        self._value.clear()

    def _header_ends(self) -> None:
        name, value = (bytes(each) for each in self._header)
        if name.lower() == b"content-disposition":
            self._disposition = value
        for each in self._header:
            each.clear()

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._disposition.decode("latin-1"))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if name != "file" and (name in self.fields or len(self.fields) == MOST_FIELDS):
            raise BadForm("too many fields")
        if name == "file":
            if self.file_name is not None or b"filename" not in options:
                raise BadForm("one file is wanted")
            self.file_name = options[b"filename"].decode("utf-8", "replace")
        self._name = name

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._name == "file":
            self._file += data[start:end]
        elif len(self._value) + end - start > LONGEST_FIELD:
            raise BadForm(f"the field {self._name} is too long")
        else:
            self._value += data[start:end]

    def _part_ends(self) -> None:
        if b"\0" in self._value:
            raise BadForm(f"the field {self._name} is no text")
        if self._name is not None and self._name != "file":
            self.fields[self._name] = self._value.decode("utf-8", "replace")

    def _end(self) -> None:
        self._ended = True
