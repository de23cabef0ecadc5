"""What every service stands on: how it hears of the world, its admin port, certificates that follow their files.

`lifecycle` (signals of the process, events of the core), `access` and `adminport` (who may ask what, and where) with
`refused` and `exposition` (what it answers), `certificates`. A leaf: features and the command line import it, it
imports none of them.
"""
