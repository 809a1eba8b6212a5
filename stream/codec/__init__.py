"""Bytes <-> core values, and nothing else: no clock, no IO, no decision about a customer.

`inbound`   a Kafka record -> Event | Erasure | Ignored | Rejected; never an exception, whatever the bytes
`outbound`  a Change or a Profile -> the value and headers of what is published
`snapshot`  a Profile <-> the bytes kept in the store and the changelog (versioned)
`journal`   what a commit did, and where a partition stands, <-> bytes (versioned)

The same input gives the same bytes, always, so that a replay can be compared byte by byte.
"""
