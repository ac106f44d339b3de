"""docs/protocol: the schemas are those of the code, and real messages keep them."""

import json

import jsonschema

from contract.messages import Report, encode
from contract.model import Event
from tools.schemas import CHANNELS, FOLDER, schema_text


def test_the_schemas_in_the_docs_are_those_of_the_code() -> None:
    for channel, kind in CHANNELS.items():
        assert (FOLDER / f"{channel}.schema.json").read_text("utf-8") == schema_text(kind), channel


def test_an_encoded_report_keeps_its_schema() -> None:
    report = Report("0" * 16, 3, 3, 3, 1000, series={"pc": {"cpu": ((0, 1.5), (5, None))}}, events=(Event("start", 1),))
    schema = json.loads((FOLDER / "report.schema.json").read_text("utf-8"))
    jsonschema.validate(json.loads(encode(report)), schema)


def test_every_message_is_told_of_in_the_protocol() -> None:
    text = (FOLDER.parent / "protocol.md").read_text("utf-8")
    for channel in CHANNELS:
        assert f"`{channel}`" in text
        assert f"protocol/{channel}.schema.json" in text
