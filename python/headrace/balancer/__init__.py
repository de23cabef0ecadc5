"""The balancer's policy: who is a member, what goes where, and the admin port where it is told and shown.

Data first: `member` (a record and its states), `registry` (what changes them), `saved` (what survives a restart),
`routing` (members to routing table). Then what acts: `heartbeat`, `membership`, `admin`, and `control`, which
assembles the service.
"""
