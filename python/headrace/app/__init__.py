"""The runtime of the user's app: worker processes that serve it, register themselves and leave without a trace."""
