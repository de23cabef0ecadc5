"""A blog and its data service behind the balancer: what `headrace demo` runs."""
