"""The cache: one store, asked by Python, over HTTP and at the edge."""
