"""A post and pictures that tests send."""

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
DRAFT = {"title": "On mills", "author": "Ada", "summary": "Short.", "body": "They *turn*.", "picture": ""}
