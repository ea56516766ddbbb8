from tests.helpers.moments import annotated, bare  # noqa: F401
from tests.helpers.noises import collection, noises  # noqa: F401
