"""Tests on Apache Kafka, with worker processes. `TEST_ON_KAFKA=1 pytest tests/kafka`, or `make test`.

`apache`, `secure`, `ports`    the broker itself, from its own jars; with TLS and SASL; ports that stay free
`kit`, `fixtures`, `raw_records`    topics of a test's own, producing and reading
`pipeline`                     topics, worker processes, and what the oracle (`truth`) says of them
`torment`, `proof`             what the fault tests share: a stream of events, and what must hold afterwards
`proxy`, `damages`, `slow_disk.c`    a broken network, a bad disk, a slow one
`*_worker`                     workers with one thing wrong: the clock, the program, what they were told
"""
