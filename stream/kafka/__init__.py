"""The outside on librdkafka.

`source`        the subscribed consumer with its poll thread, which alone touches it
`transactions`  the transactional producer
`offsets`, `changelog`      what the engine asks of the broker; reading the state topic
`control`       the topic that says what is held
`membership`    who has which partitions, as the group says
`topics`        what the pipeline's topics must be; making and checking them
`look`          topics as they are
`broker_clock`  how far our wall clock is ahead of the broker's
`watch`, `open_transactions`, `skew`, `metadata`    what is asked from beside: ends, open transactions, clocks, topics
`simple`        small clients for commands
`last_commits`  the last commit of each partition, off the ends of the topics
`set_back`      the group's offsets, set back to what the state says
`certificate`   when the client certificate of the settings ends
`settings`, `errors`, `asking`      what each client is told; what its errors mean; asking again where they may pass

Whatever but the poll thread must ask Kafka something does it through handles of its own, since calls from other threads
starve behind a `consume` (confluent-kafka 2.16) and deadlock in a callback.
"""
