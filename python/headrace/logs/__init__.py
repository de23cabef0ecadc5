"""Central logs: what programs write, and the collector that puts it in order.

Example:
    logging.config.dictConfig({
        "version": 1,
        "handlers": {"central": {"class": "headrace.logs.Handler", "source": "shop"}},
        "root": {"level": "INFO", "handlers": ["central"]},
    })
"""

from headrace.logs.context import request_id
from headrace.logs.entry import write_entry
from headrace.logs.handler import Handler
from headrace.logs.middleware import RequestId

__all__ = ["Handler", "RequestId", "request_id", "write_entry"]
