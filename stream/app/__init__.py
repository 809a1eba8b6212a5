"""The Faust app: everything wired, and the one clock.

`worker`        builds the app from settings and a program, and runs it
`events`        the channel that librdkafka feeds, and the service that owns the engine
`starting`, `data_dir`, `listening`, `doctor`    what must hold before a start, here and at the brokers; as a command
`supervisor`    of a worker of several processes: starts them, ends with them
`aside`         a call on a thread of its own
`http`, `status`, `exposition`      /metrics, health, status
`watch`         what metrics tell of topics, broker and disk, asked beside the engine
`group_watch`   what the group says of us, held against what we have
`logs`, `log_observer`, `tracebacks`, `progress`, `recent`    what is told while it runs
`forecast`, `capacity`              what `segmenter plan` and `segmenter capacity` reckon
`clock`         the only place that asks the machine for the time
`crash_points`  where a fault test ends the process
`demo`, `demo_worker`, `demo_screen`, `demo_picks`, `shop`, `embedded_broker`    the demo
"""
