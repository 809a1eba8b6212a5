"""The work on Quix Streams, exactly once.

python -m bench.rivals.quix BOOTSTRAP INPUT OUTPUT GROUP DIRECTORY COMMIT_MS
"""

from __future__ import annotations

import sys
from typing import Any

from quixstreams import Application, State

from bench.rivals.work import advance, newborn, read


def segment(
    message: dict[str, Any], key: bytes, _timestamp: int, _headers: object, state: State
) -> list[dict[str, Any]]:
    customer = state.get("customer")
    if customer is None:
        customer = newborn()
    changes = advance(customer, read(key.decode(), message))
    state.set("customer", customer)
    return [change.message() for change in changes]


def main() -> None:
    bootstrap, source, target, group, directory, commit_ms = sys.argv[1:7]
    app = Application(
        broker_address=bootstrap,
        consumer_group=group,
        auto_offset_reset="earliest",
        commit_interval=int(commit_ms) / 1000,
        processing_guarantee="exactly-once",
        state_dir=directory,
        producer_extra_config={"compression.type": "lz4"},
        loglevel="WARNING",
    )
    events = app.dataframe(app.topic(source, value_deserializer="json"))
    changes = events.apply(segment, stateful=True, expand=True, metadata=True)
    changes.to_topic(app.topic(target, value_serializer="json"))
    app.run()


if __name__ == "__main__":
    main()
