"""A class is graded by the workers of a real Dask cluster; one that is killed costs nothing."""

import pytest

distributed = pytest.importorskip("distributed")

from grader.cohort.grading.cluster import DaskCluster  # noqa: E402
from grader.errors import UsageError  # noqa: E402
from tests.contract.tiny_class import TinyClass  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as made:
        yield made


def on(cluster):
    return lambda batch: DaskCluster(cluster.scheduler_address, batch.order)


def test_submissions_travel_to_the_workers_and_their_results_come_back(cluster, tmp_path):
    made = TinyClass(tmp_path)
    made.hand_in("alice", "bob", "carol")
    (made.submissions / "empty").mkdir()
    assert made.grade(place=on(cluster), sends_content=True) == {"graded": 4}
    assert made.times_run() == 3
    assert {name: row.score for name, row in made.rows.items()} == {
        "alice": 3,
        "bob": 3,
        "carol": 3,
        "empty": None,
    }
    assert made.rows["empty"].status == "rejected"
    assert made.grade() == {"unchanged": 4}


def test_a_worker_that_is_killed_is_replaced_and_its_submission_done_again(cluster, tmp_path):
    once = tmp_path / "once"
    kills = f"if not Path({str(once)!r}).exists(): Path({str(once)!r}).touch(); os.kill(os.getppid(), 9)"
    made = TinyClass(tmp_path, body=kills)
    made.hand_in(*(f"student-{number}" for number in range(6)))
    before = set(cluster.scheduler.workers)
    assert made.grade(place=on(cluster), sends_content=True) == {"graded": 6}
    assert {row.score for row in made.rows.values()} == {3}
    assert made.times_run() == 7
    assert set(cluster.scheduler.workers) != before


def test_no_scheduler_is_one_sentence(tmp_path):
    made = TinyClass(tmp_path)
    made.hand_in("alice")
    with pytest.raises(UsageError, match="no Dask scheduler answers"):
        made.grade(place=lambda batch: DaskCluster("tcp://127.0.0.1:9", batch.order, connect_s=1))
