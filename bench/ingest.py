"""How fast readings are stored, and what that costs: ours, the least that could do it, and the obvious way.

`python -m bench.ingest [--database sqlite|postgresql] [--values N]`: one broker, one MQTT library, same messages.

- ours: the real ingest, with registry, latest values, ledger, checksums, de-duplication and acknowledgements
- floor: paho, msgspec, and a bare executemany (binary COPY) into the same kind of table, which answers for nothing
- naive: paho, pydantic, and an ORM's add_all for each message (fewer values, as it takes so long)
- zabbix, on PostgreSQL and where Debian's zabbix-server-pgsql is installed: the same values as trapper items

Three rounds, one after the other, medians. CPU is that of the ingest process alone.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from bench import zabbix_server
from bench.ingest_load import A_REPORT, AGENTS, Job, Result, address_of, publish
from bench.ingest_ways import RUNS
from controller.broker.access import BrokerUser, hash_password, new_password
from controller.broker.embedded import EmbeddedBroker
from controller.database import sqlite_url
from tests.databases import PostgresServer
from tests.integration import postgres

SHARES = {"ours": 1, "floor": 1, "naive": 20, "zabbix": 2}
"""The naive way gets a twentieth of the values."""
ROUNDS = 3


def child(job: Job) -> "subprocess.Popen[str]":
    """Started, and ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.ingest", "--child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps(asdict(job)) + "\n")
    process.stdin.flush()
    if process.stdout.readline() != "ready\n":
        process.kill()
        raise SystemExit(f"{job.way} did not start")
    return process


def one_round(way: str, url: str, values: int) -> Result:
    """`url` is a new database's."""
    if way == "zabbix":
        return zabbix_server.run(url, values)
    password = new_password()
    with tempfile.TemporaryDirectory() as folder:
        broker = EmbeddedBroker(Path(folder) / "broker", 0)
        hashed = hash_password(password)
        broker.set_users([BrokerUser(address_of(number), hashed) for number in range(AGENTS)])
        broker.start()
        try:
            ingest = child(Job(way, url, broker.port, broker.login.user, broker.login.password, values))
            publisher = child(Job("publisher", "", broker.port, "", password, values))
            publisher.communicate("go\n", timeout=180)
            output, _ = ingest.communicate(timeout=180)
            if ingest.returncode or publisher.returncode:
                raise SystemExit(f"{way} failed")
            return Result(**json.loads(output))
        finally:
            broker.stop()


def run_child() -> None:
    job = Job(**json.loads(sys.stdin.readline()))
    if job.way == "publisher":
        publish(job)
    else:
        print(json.dumps(asdict(RUNS[job.way](job))), flush=True)


def measure(database: str, ways: list[str], values: int) -> dict[str, list[Result]]:
    """All rounds, told as they end."""
    results: dict[str, list[Result]] = {way: [] for way in ways}
    with ExitStack() as stack:
        server = (
            PostgresServer(stack.enter_context(postgres.server(durable=True))) if database == "postgresql" else None
        )
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for number in range(ROUNDS):
            for way in ways:
                url = server.empty() if server else sqlite_url(folder / f"{way}-{number}.db")
                a_round = A_REPORT * AGENTS
                last = one_round(way, url, values // SHARES[way] // a_round * a_round)
                results[way].append(last)
                cpu = f"{last.cpu_us_per_value:8.2f} us CPU/value" if last.cpu_seconds else ""
                print(f"{number + 1} {way:6} {last.stored_per_s:10,.0f} values/s {cpu}")
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--values", type=int, default=480_000, help="readings a round")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        run_child()
        return
    compared = options.database == "postgresql" and zabbix_server.installed()
    results = measure(options.database, [*RUNS, "zabbix"] if compared else [*RUNS], options.values)
    stored = {way: statistics.median(each.stored_per_s for each in those) for way, those in results.items()}
    cpu = {way: statistics.median(each.cpu_us_per_value for each in results[way]) for way in RUNS}
    print(f"\n{'median':8} {'values/s':>12} {'us CPU/value':>14}")
    for way, rate in stored.items():
        print(f"{way:8} {rate:12,.0f} {f'{cpu[way]:14.2f}' if way in cpu else ''}")
    figures = {
        "database": options.database,
        "values": options.values,
        **{f"stored_per_s_{way}": round(rate) for way, rate in stored.items()},
        **{f"cpu_us_per_value_{way}": round(each, 3) for way, each in cpu.items()},
    }
    ratios = {
        "stored_per_s_vs_naive": round(stored["ours"] / stored["naive"], 2),
        "cpu_per_value_vs_floor": round(cpu["ours"] / cpu["floor"], 3),
    }
    if compared:
        ratios["stored_per_s_vs_zabbix"] = round(stored["ours"] / stored["zabbix"], 2)
    print(json.dumps({"bench": "ingest", "figures": figures, "ratios": ratios}))


if __name__ == "__main__":
    main()
