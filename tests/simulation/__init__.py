"""The commit cycle in a world of its own: one process, one thread at a time, the world's own time, all by one seed.

`items`     what happens, in order: events sent, workers started, killed and frozen, faults armed; made from a seed
`world`     what time it is, whose turn it is, and what an item does
`loops`     an asyncio loop that the world steps; `strands`: blocking calls that the world suspends
`broker`    Kafka's log with transactions, its group offsets; `group`: who owns which partition
`process`   one worker process: the real engine on `client` (producer, consumer, questions) and `disk` (stores)
`expected`  what must come out, said in the simplest way; `check`: whether it did
`run`       one seed from beginning to end, and how to make a failing one shorter

`python -m tests.simulation --seeds 10000` runs many, `--seed N` one; a failing seed says how to run it again.
"""
