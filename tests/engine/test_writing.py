"""Laws of `engine.writing`: what is made before the commit is what the commit would have made."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream.engine.interfaces import Batch, Produce
from tests.engine.shop import PROGRAM, a_task, order, shop
from tests.engine.world import DAY, START, Fault, Message, Worker

pieces = st.lists(
    st.tuples(
        st.lists(
            st.tuples(st.sampled_from("abc"), st.integers(0, 90), st.sampled_from(["Order Completed", "Seen", None])),
            min_size=1, max_size=4,
        ),
        st.booleans(), st.booleans(),
    ),
    min_size=1, max_size=8,
)  # fmt: skip
"""(customer, day, event; None: erased) of each batch, whether it is followed by silence or by time to make things
ahead, and by a commit."""


def told(given_pieces, ahead: bool) -> list[list[Produce]]:
    """What each commit writes."""
    task, commits = a_task(), []
    offset, now_ms = 0, START + 100 * DAY
    for events, made_ahead, committed in given_pieces:
        records = []
        for customer, day, name in events:
            at_ms = START + day * DAY
            value = None if name is None else order(customer, at_ms, offset, name)
            records.append(Message(offset, customer.encode(), value, None, at_ms))
            offset += 1
        task.process(Batch(0, 0, now_ms, records, None, 0))
        task.ask(now_ms, offset)
        if made_ahead and ahead:
            task.prepare_ahead()
        if committed:
            prepared = task.prepare()
            commits.append(prepared.records)
            task.committed(prepared, 0, now_ms)
        now_ms += 10 * DAY
    return [*commits, task.prepare().records]


@given(pieces)
def test_whenever_something_is_made_ahead_each_commit_writes_the_same(given_pieces):
    assert told(given_pieces, ahead=True) == told(given_pieces, ahead=False)


async def test_while_a_batch_waits_nothing_is_made_ahead_and_when_none_does_all_is():
    world = shop(3)
    worker = Worker(world, PROGRAM)
    await worker.assign(0)
    first, second = (worker.source.next_batch(0, 1) for _ in range(2))
    task = worker.engine.tasks[0]
    await worker.engine.handle(first)
    assert task.partition.pending.lately == ["c0"]
    await worker.engine.handle(second)
    assert not task.partition.pending.lately


async def test_what_was_made_ahead_of_a_commit_that_failed_is_not_told_twice():
    world = shop(1)
    worker = Worker(world, PROGRAM)
    await worker.assign(0)
    await worker.read()
    world.faults["commit"] = [Fault.ABORT]
    await worker.settle()
    assert len(world.values("changes")) == 1
