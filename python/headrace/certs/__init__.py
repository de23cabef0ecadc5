"""Certificates for machines without any: a local authority and the leaves it signs."""

from headrace.certs.authority import Authority
from headrace.certs.files import Leaf
from headrace.certs.names import host_names

__all__ = ["Authority", "Leaf", "host_names"]
