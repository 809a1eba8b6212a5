"""The partitions' life and the commit cycle, on an outside known only by `interfaces`.

`engine`       who owns which partition, one lock over batches and commits, the commit loop, the clock loop
`task`         one live partition: records in, what the transaction must contain out
`transaction`  one Kafka transaction from begin to a certain outcome
`restore`      the state brought to what was last committed, or a refusal
`customers`    committed states over the store, bounded
`observer`     what all of this tells metrics and logs

Between two awaits every partition stands at a definite (offset, clock). What is not committed did not happen.
"""
