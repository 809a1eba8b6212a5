"""Proof from the topics alone: read what the broker holds, do every commit again, compare.

What exists: a `Log` (the topics as read, up to a consistent cut), a `Model` per partition (the pure core with a
profile store of its own) and laws. The journal leads: it says which input each commit took in, when its batches were
read, how the clock stepped. The model does that again, and what it would have written is held against the topics,
record by record. Beside it stand laws that need no model (sequences, alternation, chains, sums), so that a fault of
the core itself shows too.

What may change anything: nothing here writes to Kafka. What time means: the journal's; the machine is never asked.
It shares no code with the worker's shell: only `core`, `codec` and compiled definitions.
"""
