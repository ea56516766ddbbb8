"""Executors, which embed files for a collection: this process, processes on this machine, or Ray on many machines.

Workers only compute vectors and send them back; one process writes the collection. So nothing is lost or stored twice
when a worker ends, and vectors are the same to the last bit with every executor.

- choice.py chooses the executor; local.py, processes.py, ray_cluster.py and automatic.py are the executors
- workers.py and pool.py are the driver's side; worker.py (with process.py, ray_actor.py) is the worker's side
- job.py holds what is sent between them; units.py cuts the files into units of work

There is no executor for schedulers such as Slurm: each job embeds a part of the files (`mmasc.collection.shards`), and
the collections of the jobs are merged.
"""

from mmasc.collection.executors.choice import choose_executor
from mmasc.collection.executors.job import Account, Executor, Listener
from mmasc.encoders.executing import EXECUTORS, executing

__all__ = ["EXECUTORS", "Account", "Executor", "Listener", "choose_executor", "executing"]
