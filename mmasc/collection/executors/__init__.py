"""Who embeds files for a collection: this process, processes on this machine, or Ray on many.

Vectors travel; the process that writes the collection alone writes. So nothing is lost and nothing there twice whatever
happens to a worker, and vectors are the same to the last bit whoever made them.
"""

from mmasc.collection.executors.choice import choose_executor
from mmasc.collection.executors.job import Account, Executor, Listener
from mmasc.encoders.executing import EXECUTORS, executing

__all__ = ["EXECUTORS", "Account", "Executor", "Listener", "choose_executor", "executing"]
