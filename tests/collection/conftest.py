from tests.helpers.collections import labelled, second  # noqa: F401
