from tests.helpers.noises import collection, noises  # noqa: F401
