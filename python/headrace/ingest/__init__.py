"""Payloads: accepted into a journal, landed in a sink, each once."""
