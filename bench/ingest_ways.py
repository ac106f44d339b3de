"""Three ways of storing readings that come over MQTT: ours, the least that could do it, and the obvious one."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.engine.interfaces import DBAPIConnection

from bench.ingest_load import AGENTS, WARM_UP, Job, Result, Seen, address_of, listen, measured, ready
from controller.broker.access import Login

COMMIT_S = 0.1
"""How long the floor gathers before it commits, as ours does."""


def run_ours(job: Job) -> Result:
    """The real ingest: registry, latest values, ledger, checksums, de-duplication, acknowledgements."""
    from sqlmodel import Session

    from controller.database import make_engine, migrate
    from controller.fleet.tables import Agent, School
    from controller.ingest.link import BrokerAddress
    from controller.ingest.meter import Allowance
    from controller.ingest.observer import Unobserved
    from controller.ingest.service import Ingest
    from controller.ingest.verify import verify

    engine = make_engine(job.url)
    migrate(engine)
    with Session(engine) as session:
        session.add(School(id="bench", name="Bench"))
        session.flush()
        session.add_all([Agent(school_id="bench", name=address_of(number).agent) for number in range(AGENTS)])
        session.commit()
    broker = BrokerAddress("127.0.0.1", job.port, Login(job.user, job.password))
    ingest = Ingest(engine, broker, Unobserved(), allowance=Allowance(1e12, 1e12, 1e12, 1e12))
    ingest.start()
    while not ingest.ready:
        time.sleep(0.01)
    ready()
    result = measured(lambda: ingest.stats.received > 2 * AGENTS, lambda: ingest.stats.values, job.values)
    ingest.stop()
    if not verify(engine).ok:
        raise SystemExit("the ledger does not balance")
    return result


def run_floor(job: Job) -> Result:
    """paho, msgspec, and the quickest way into the same kind of table; answers for nothing."""
    import msgspec

    from controller.database import make_engine, migrate

    class Bare(msgspec.Struct):
        base_ms: int
        series: dict[str, dict[str, list[tuple[int, bool | int | float | str | None]]]]

    engine = make_engine(job.url)
    if engine.dialect.name == "postgresql":
        migrate(engine)
    connection = engine.raw_connection().dbapi_connection
    assert connection
    insert = (_into_sqlite if engine.dialect.name == "sqlite" else _into_postgresql)(connection)
    decode = msgspec.json.Decoder(Bare).decode
    ids: dict[tuple[str, str, str], int] = {}
    seen = Seen()
    clock = [time.perf_counter()]
    gathered: list[tuple[int, int, int, Any]] = []

    def on_message(_client: Any, _data: Any, message: Any) -> None:
        seen.messages += 1
        batch, topic = seen.messages, message.topic
        told = decode(message.payload)
        base = told.base_ms
        rows = [
            (ids.setdefault((topic, device, metric), len(ids)), base + dt, batch, value)
            for device, metrics in told.series.items()
            for metric, points in metrics.items()
            for dt, value in points
        ]
        gathered.extend(rows)
        seen.stored += len(rows)
        if time.perf_counter() - clock[0] > COMMIT_S or seen.stored >= WARM_UP + job.values:
            insert(gathered)
            connection.commit()
            gathered.clear()
            clock[0] = time.perf_counter()
            seen.committed = seen.stored

    return listen(job, on_message, seen)


def _into_sqlite(connection: DBAPIConnection) -> Callable[[Sequence[Any]], None]:
    cursor: Any = connection.cursor()
    cursor.execute(
        "CREATE TABLE floor (series INTEGER NOT NULL, at_ms INTEGER NOT NULL, batch INTEGER NOT NULL, value,"
        " PRIMARY KEY (series, at_ms, batch)) WITHOUT ROWID"
    )
    connection.commit()

    def insert(rows: Sequence[Any]) -> None:
        cursor.executemany("INSERT INTO floor VALUES (?, ?, ?, ?)", rows)

    return insert


def _into_postgresql(connection: DBAPIConnection) -> Callable[[Sequence[Any]], None]:
    """One binary COPY into a table like a day's: each value in the column of its type."""
    cursor: Any = connection.cursor()
    cursor.execute("CREATE TABLE floor (LIKE reading INCLUDING ALL)")
    connection.commit()

    def insert(rows: Sequence[Any]) -> None:
        with cursor.copy("COPY floor (series, at_ms, batch, number, whole, text) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(("int4", "int8", "int8", "float8", "int8", "text"))
            write = copy.write_row
            for series, at_ms, batch, value in rows:
                if value.__class__ is float:
                    write((series, at_ms, batch, value, None, None))
                elif value.__class__ is str:
                    write((series, at_ms, batch, None, None, value))
                else:
                    write((series, at_ms, batch, None, +value, None))

    return insert


def run_naive(job: Job) -> Result:
    """paho, pydantic, and an ORM's `add_all` for each message."""
    from pydantic import BaseModel
    from sqlmodel import BigInteger, Field, Session, SQLModel

    from controller.database import make_engine

    class Told(BaseModel):
        base_ms: int
        series: dict[str, dict[str, list[tuple[int, bool | int | float | str | None]]]]

    class Reading(SQLModel, table=True):
        __tablename__ = "naive"

        id: int | None = Field(default=None, primary_key=True)
        agent: str
        device: str
        metric: str
        at_ms: int = Field(sa_type=BigInteger)
        number: float | None = None
        text: str | None = None

    engine = make_engine(job.url)
    SQLModel.metadata.create_all(engine)
    seen = Seen()

    def on_message(_client: Any, _data: Any, message: Any) -> None:
        seen.messages += 1
        told = Told.model_validate_json(message.payload)
        rows = [
            Reading(
                agent=message.topic,
                device=device,
                metric=metric,
                at_ms=told.base_ms + dt,
                number=None if value is None or isinstance(value, str) else float(value),
                text=value if isinstance(value, str) else None,
            )
            for device, metrics in told.series.items()
            for metric, points in metrics.items()
            for dt, value in points
        ]
        with Session(engine) as session:
            session.add_all(rows)
            session.commit()
        seen.committed += len(rows)

    return listen(job, on_message, seen)


RUNS: dict[str, Callable[[Job], Result]] = {"ours": run_ours, "floor": run_floor, "naive": run_naive}
