"""The outside on librdkafka: the subscribed consumer with its poll thread, transactions, offsets, changelog, topics.

Only the poll thread (`source`) touches the subscribed consumer; whatever else must be asked of Kafka goes through
handles of its own, since calls from other threads starve behind a `consume` (confluent-kafka 2.16) and deadlock in a
callback.
"""
