"""The core: what a customer is in, and when that changes. Pure: no clock, no IO, no await; time is an input.

The model. A *partition* reads its log in order. Every customer has a *profile*: what their definitions must remember
(`cells`), their present *answers*, and `wake_ms`, the next instant at which an answer may change although nothing
happens. An *event* moves a customer, or a *wake*, or *other definitions* (which end what they no longer have:
`migration`). All go through one door, `transition.advance`, which judges the customer at one instant and returns the
changes.

Time. A customer's own time, `now_ms`, never goes back. A record is judged at its event time, or, when it is late, at
the customer's latest judged instant. A wake is judged at its due instant. The partition's clock is moved from outside,
and only when everything up to that instant was read; wakes that the clock has passed by `grace_ms` fire in the order
(due, customer). Wakes due before a customer's own next record fire before it, whatever the clock says: so an old log
gives each customer its history.

`transition`    the one door; `partition`: the order of things in one log
`profile`       a customer's state; `windows`, `memory`: what of the past and which message ids are remembered in it
`events`, `changes`, `instants`    what comes in, what goes out, instants as text
`program`       what the core knows of definitions
`wakes`         who must be asked again, and when
`holds`         answers kept back until a human lets them go
`migration`, `coverage`, `warming`    customers carried over to changed definitions; since when what they ask is kept
"""
