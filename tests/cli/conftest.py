from tests.helpers.collections import labelled  # noqa: F401
from tests.helpers.heads import trees_file  # noqa: F401
from tests.helpers.noises import collection, noises  # noqa: F401
