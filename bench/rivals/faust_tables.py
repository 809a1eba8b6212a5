"""The work on stock Faust with a table, its exactly_once as it is.

python -m bench.rivals.faust_tables BOOTSTRAP INPUT OUTPUT GROUP DIRECTORY COMMIT_MS
"""

from __future__ import annotations

import sys
from typing import Any

import faust

from bench.rivals.work import advance, newborn, read

PARTITIONS = 4


def make_app(bootstrap: str, source: str, target: str, group: str, directory: str, commit_ms: str) -> faust.App:
    app = faust.App(
        group,
        broker=f"kafka://{bootstrap}",
        store="rocksdb://",
        datadir=directory,
        processing_guarantee="exactly_once",
        broker_commit_interval=int(commit_ms) / 1000,
        consumer_auto_offset_reset="earliest",
        topic_partitions=PARTITIONS,
        topic_disable_leader=True,
        web_enabled=False,
    )
    events = app.topic(source, key_type=str, key_serializer="raw", value_serializer="json")
    changes = app.topic(target, key_type=str, key_serializer="raw", value_serializer="json")
    customers = app.Table("customers", partitions=PARTITIONS)

    @app.agent(events)
    async def segment(stream: Any) -> None:
        async for key, message in stream.items():
            customer = customers.get(key)
            if customer is None:
                customer = newborn()
            for change in advance(customer, read(key, message)):
                await changes.send(key=key, value=change.message())
            customers[key] = customer

    return app


def main() -> None:
    app = make_app(*sys.argv[1:7])
    sys.argv[1:] = ["worker", "--without-web", "--loglevel", "warn"]
    app.main()


if __name__ == "__main__":
    main()
