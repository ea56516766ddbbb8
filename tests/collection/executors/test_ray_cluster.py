"""Ray: the same vectors, a lost actor replaced, results alone on stdout. Skipped without Ray."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import mmasc
from mmasc.collection.executors import ray_cluster
from mmasc.errors import MmascError
from tests.helpers.dying import many_sounds
from tests.helpers.rows import same_rows

# A process of its own: Ray leaves threads and files open, which this one counts as faults
DRIVER = """
import json, sys
import mmasc
from mmasc.encoders.registry import ENCODERS
from tests.helpers.dying import DYING_SPEC
ENCODERS["dying"] = DYING_SPEC
report = mmasc.embed(sys.argv[1], sys.argv[2], "dying", executor="ray", workers=2)
print(json.dumps({"added": report.added, "executor": report.executor, "workers": report.workers,
                  "lost_units": report.lost_units, "hosts": report.hosts, "failed": len(report.failed)}))
"""


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nonsense", "must be HOST:PORT or auto"),
        ("ray://a:1", "must be HOST:PORT"),
        ("127.0.0.1:9", "no Ray cluster at"),
    ],
)
def test_an_address_where_nothing_is_is_told_of(address, said, tmp_path, sounds, registered):
    with pytest.raises(MmascError, match=said):
        mmasc.embed(sounds, tmp_path / "c", registered, executor="ray", address=address)


class FromMemory:
    """As much of Ray as says what there is."""

    def __init__(self, **resources: float) -> None:
        self.resources = resources

    def is_initialized(self) -> bool:
        return True

    def cluster_resources(self) -> dict[str, float]:
        return self.resources


def test_a_cluster_without_room_is_told_of(tmp_path, sounds, registered, monkeypatch):
    monkeypatch.setattr(ray_cluster, "_import_ray", lambda own: FromMemory(CPU=0))
    with pytest.raises(MmascError, match="the Ray cluster has no CPU for workers"):
        mmasc.embed(sounds, tmp_path / "c", registered, executor="ray")


@pytest.mark.ray
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
def test_vectors_are_those_of_this_process_though_an_actor_is_killed(tmp_path, registered, monkeypatch):
    flag = tmp_path / "flag"
    flag.touch()
    monkeypatch.setenv("MMASC_TEST_DIES_ONCE", str(flag))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    sounds = many_sounds(tmp_path / "sounds", 40)
    command = [sys.executable, "-c", DRIVER, str(sounds), str(tmp_path / "c")]
    found = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stderr
    numbers = json.loads(found.stdout)  # and nothing else
    assert not flag.exists()
    assert (numbers["added"], numbers["failed"], numbers["lost_units"]) == (40, 0, 1)
    assert (numbers["executor"], len(numbers["hosts"])) == ("ray", 1)
    assert numbers["workers"] >= 1
    mmasc.embed(sounds, tmp_path / "local", registered, executor="local")
    same_rows(tmp_path / "c", tmp_path / "local")


# Three machines of one core each, on this one; a machine is taken away in the middle
CLUSTER = """
import json, sys
import ray
from ray.cluster_utils import Cluster
import mmasc
from mmasc.encoders.registry import ENCODERS
from tests.conftest import STANDIN_SPEC
ENCODERS["standin"] = STANDIN_SPEC
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
nodes = [cluster.add_node(num_cpus=1) for _ in range(3)]
def take_away(report):
    if len(nodes) == 3 and report.added >= 30:
        cluster.remove_node(nodes.pop())
report = mmasc.embed(sys.argv[1], sys.argv[2], "standin", executor="ray", address=cluster.address, progress=take_away)
print(json.dumps({"added": report.added, "workers": report.workers, "failed": len(report.failed)}), file=sys.stderr)
cluster.shutdown()
"""


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
def test_a_machine_is_taken_away_and_nothing_is_lost_or_double(tmp_path, registered, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    sounds = many_sounds(tmp_path / "sounds", 320)
    command = [sys.executable, "-c", CLUSTER, str(sounds), str(tmp_path / "c")]
    found = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert found.returncode == 0, found.stderr
    numbers = json.loads(found.stderr.splitlines()[-1])
    assert (numbers["added"], numbers["failed"]) == (320, 0)
    mmasc.embed(sounds, tmp_path / "local", registered, executor="local")
    same_rows(tmp_path / "c", tmp_path / "local")
