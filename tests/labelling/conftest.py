from tests.helpers.moments import annotated  # noqa: F401
from tests.helpers.noises import collection, noises  # noqa: F401
