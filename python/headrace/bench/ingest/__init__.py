"""The bench of ingest: collections of payloads are posted, and what it takes to keep and to land them is measured."""
