from tests.helpers.web import reader_only, server  # noqa: F401
