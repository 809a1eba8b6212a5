"""The state of a worker's partitions on its disk: one RocksDB each.

The changelog topic is the truth, the disk a copy that spares reading it. A state is written only after the Kafka
transaction with the same content is certain, at once or some commits later (`engine.customers`), in one batch with the
`meta` that says how far the copy reaches; it is trusted only as far as it can be checked (`StateStore.check`), and on
any doubt it is set aside and built anew.

`stores`  where they are, and those set aside; `rocks`: one of them
`ahead`   folders hashed while the process starts
`seal`    proof that a folder is as it was closed; `options`, `keys`, `errors`: RocksDB's settings, keys and errors
"""
