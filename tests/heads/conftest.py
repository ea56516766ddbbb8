from tests.helpers.heads import trees_file  # noqa: F401
