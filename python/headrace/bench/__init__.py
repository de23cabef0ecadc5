"""The bench: what the balancer costs, beside nginx, HAProxy, h2o and Caddy, in one run on one machine."""
