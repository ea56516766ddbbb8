import threading

import pytest

from mmasc.errors import MmascError
from mmasc.web.faults import Refused
from mmasc.web.jobs import Jobs
from mmasc.web.worker import Worker


def ended(job) -> str:
    for _ in range(1_000):
        if job.state not in ("waiting", "running"):
            return job.state
        threading.Event().wait(0.01)
    raise AssertionError(job.state)


def test_jobs_run_in_order_and_end_in_their_states(server):
    jobs, order = Jobs(server.session), []

    def fails(job):
        raise MmascError(f"{server.folder}/x is not\nthere")

    def breaks(job):
        raise KeyError("x")

    done = jobs.start("a", lambda job: order.append(1) or {"x": 1})
    failed, broken = jobs.start("b", fails), jobs.start("c", breaks)
    last = jobs.start("d", lambda job: order.append(2))
    assert [ended(one) for one in (done, failed, broken, last)] == ["done", "failed", "failed", "done"]
    assert order == [1, 2]
    assert (done.result, failed.text) == ({"x": 1}, "x is not there")
    assert "KeyError" in broken.text


def test_a_new_job_takes_the_place_of_its_kind_and_jobs_are_cancelled(server):
    jobs, go = Jobs(server.session), threading.Event()

    def work(job):
        go.wait(10)
        job.progress(1, 2)
        return "all"

    first, second, third = (jobs.start("learn x", work) for _ in range(3))
    other = jobs.start("learn y", work)
    go.set()
    assert [ended(one) for one in (first, second, third, other)] == ["cancelled", "cancelled", "done", "done"]
    with pytest.raises(Refused):
        jobs.get("0")


def test_jobs_over_http(server):
    assert server.client.get("/api/jobs/x").status_code == 404
    assert server.client.delete("/api/jobs/x").status_code == 404
    key = server.client.get("/api/duplicates").json()["job"]
    assert server.client.delete(f"/api/jobs/{key}").status_code == 200


def test_the_worker_does_one_thing_after_the_other():
    worker, order = Worker("w"), []
    futures = [worker.submit(order.append, number) for number in range(100)]
    [one.result(10) for one in futures]
    assert order == list(range(100))
    with pytest.raises(ZeroDivisionError):
        worker.submit(lambda: 1 / 0).result(10)
    begun, go = threading.Event(), threading.Event()
    running, waiting = worker.submit(lambda: begun.set() or go.wait(10)), worker.submit(order.append, "x")
    assert begun.wait(10)
    worker.drop()
    go.set()
    assert running.result(10)
    assert waiting.cancelled()
