"""The Faust app: everything wired, and the one clock.

`worker`        builds the app from settings and a program, and runs it
`events`        the channel that librdkafka feeds, and the service that owns the engine
`http`, `status`  /metrics, health, status
`group_watch`   what the group says of us, held against what we have
`clock`         the only place that asks the machine for the time
`demo*`, `shop`, `embedded_broker`  the demo
"""
