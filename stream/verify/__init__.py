"""Proof from the topics alone: read what the broker holds, do every commit again, compare.

What exists: a `Log` (the topics as read, up to a consistent cut), a `Model` per partition (the pure core with a
profile store of its own) and laws. The journal leads: it says which input each commit took in, when its batches were
read, how the clock stepped. The model does that again, and what it would have written is held against the topics,
record by record. Beside it stand laws that need no model (sequences, alternation, chains, sums), so that a fault of
the core itself shows too.

`check`, `partition_check`    the whole, and one partition from start to end
`log`, `kafka_log`            the topics as read; `tape`, `tapes`: one topic's records, read on in order
`model`, `moves`, `revisions`, `disk`    the commits done again: with which moves, which definitions, on which store
`match`, `partial`            what must have been written, held against what is there; the same without a beginning
`journal_laws`, `change_laws`, `membership_laws`, `wake_laws`, `cold_restore`, `ends`    laws that need no model
`report`, `show`              what was found, and how it is told

What may change anything: nothing here writes to Kafka. What time means: the journal's; the machine is never asked.
It shares no code with the worker's shell: only `core`, `codec` and compiled definitions.
"""
