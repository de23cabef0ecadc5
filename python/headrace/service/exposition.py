"""Metrics as Prometheus scrapes them."""

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector


def exposition(accept: str, *collectors: Collector) -> tuple[bytes, str]:
    """The text of what the collectors read now and its content type, in the format that the scraper accepts."""
    registry = CollectorRegistry(auto_describe=False)
    for collector in collectors:
        registry.register(collector)
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type
