"""Bytes <-> core values, and nothing else: no clock, no IO, no decision about a customer.

`inbound`      a Kafka record -> Event | Erasure | Ignored | Rejected; never an exception, whatever the bytes
`cloudevents`, `limits`, `instants`    what `inbound` reads: envelopes, bounds of a payload, RFC 3339
`outbound`     a Change or a Profile -> the value and headers of what is published
`wide_json`    JSON of whatever number an expression comes to
`snapshot`     a Profile <-> the bytes kept in the store and the changelog (versioned), and their sum
`journal`      what a commit did, and where a partition stands, <-> bytes (versioned)
`definitions`  the text of definitions <-> the record that travels with the state
`control`      what is held <-> records of the control topic
`levels`        the format level of a partition's state: which release can read what is written
`partitioners`  which partitioner put a key into its partition

The same input gives the same bytes, always, so that a replay can be compared byte by byte.
"""
