"""datasette over one SQLite file, made the way its manual does it; a factory for `headrace serve --factory`."""

import os

from datasette.app import Datasette

METADATA = {
    "databases": {
        "library": {
            "queries": {
                "add_book": {
                    "sql": "insert into books (title, year) values (:title, :year)",
                    "write": True,
                    "allow": {"id": "root"},
                }
            }
        }
    }
}


def app():
    datasette = Datasette([os.environ["LIBRARY"]], metadata=METADATA, secret="the same in each worker")
    datasette._root_token = os.environ["LIBRARY_TOKEN"]  # what `datasette --root` prints a link with
    return datasette.app()
