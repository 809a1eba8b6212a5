"""The partitions' life and the commit cycle, on an outside known only by `interfaces`.

`engine`       who owns which partition, one lock over batches and commits, the commit loop, the clock loop
`wall_clock`   our wall time, held against the broker's
`pace`         how long records are taken in before the next commit
`task`         one live partition: records in, what the transaction must contain out
`writing`      what a commit tells of customers, made ahead of it where there is time
`turns`        whose turn it is: records, then wakes that wait, then the commit
`transaction`  one Kafka transaction from begin to a certain outcome
`restore`      the state brought to what was last committed, or a refusal
`customers`    committed states over the store, bounded, written behind; `members`: how many are in which segment
`definitions`, `sweep`    which revisions a partition has customers of; carrying over those whom nothing touches
`holding`, `guard`        what is held; the worker's own holds by `silence` (too sudden) and `rejects` (too many)
`observer`, `phases`      what all of this tells metrics and logs; how long a commit's phases took
`interfaces`, `local`     the outside; what a store keeps beside the data
`failures`     the core failed: what may be said of it

Between two awaits every partition stands at a definite (offset, clock). What is not committed did not happen.
"""
