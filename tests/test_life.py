"""A collection's whole life against a model of plain dictionaries: random commands, faults at any write."""

from hypothesis import HealthCheck, settings

from tests.life.machine import Life

TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=200,
    stateful_step_count=15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
