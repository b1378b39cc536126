import json

import pytest

from astrokeras.errors import UsageError
from astrokeras.training.distribution.worker_cluster import Cluster, expand_hosts, find_cluster

TWO = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}


def slurm(**changed: str) -> dict[str, str]:
    """The variables of the last of five tasks on three nodes, as srun sets them."""
    return {
        "SLURM_JOB_ID": "1234567",
        "SLURM_STEP_ID": "0",
        "SLURM_STEP_NODELIST": "gpu[9-10],big",
        "SLURM_STEP_TASKS_PER_NODE": "2(x2),1",
        "SLURM_PROCID": "3",
        "SLURM_NODEID": "1",
        "SLURM_LOCALID": "1",
        **changed,
    }


def test_tf_config():
    cluster = find_cluster({"TF_CONFIG": json.dumps(TWO), **slurm()})
    assert cluster == Cluster(("a:1", "b:2"), 1)
    assert cluster.name(1) == "worker 1 (b:2)"


def test_a_chief_is_the_first_worker():
    cluster = {"worker": ["b:1", "c:1"], "chief": ["a:1"]}
    found = [
        find_cluster({"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})})
        for kind, index in (("chief", 0), ("worker", 1))
    ]
    assert found == [Cluster(("a:1", "b:1", "c:1"), 0), Cluster(("a:1", "b:1", "c:1"), 2)]


def test_slurm_fills_the_nodes_in_their_order():
    cluster = find_cluster(slurm())
    assert cluster.index == 3
    assert [address.split(":")[0] for address in cluster.workers] == ["gpu9", "gpu9", "gpu10", "gpu10", "big"]
    ports = [int(address.split(":")[1]) for address in cluster.workers]
    assert ports[0] == ports[2] == ports[4] == ports[1] - 1 == ports[3] - 1
    assert all(1024 < port < 32768 for port in ports)
    assert cluster.on_this_host == (1, 2)
    other = find_cluster(slurm(SLURM_JOB_ID="1234568"))
    assert not set(other.workers) & set(cluster.workers)


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("localhost", ["localhost"]),
        ("node[01-03,7],login", ["node01", "node02", "node03", "node7", "login"]),
        ("n[098-101]", ["n098", "n099", "n100", "n101"]),
        ("r[0-1]n[1-2]-ib.site", ["r0n1-ib.site", "r0n2-ib.site", "r1n1-ib.site", "r1n2-ib.site"]),
    ],
)
def test_lists_of_hosts(text: str, hosts: list[str]):
    assert expand_hosts(text) == hosts


@pytest.mark.parametrize("text", ["", "a,", "a[1-2", "a[3-1]", "a[]", "a[1-2]]", "a[x]", "a[1-99999]", "a b"])
def test_no_lists_of_hosts(text: str):
    with pytest.raises(UsageError, match="list of hosts"):
        expand_hosts(text)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "no JSON"),
        ("[]", 'no "cluster"'),
        ({"task": TWO["task"]}, 'no "cluster"'),
        ({"cluster": {}, "task": TWO["task"]}, "no workers"),
        ({"cluster": {"worker": "a:1"}, "task": TWO["task"]}, "list"),
        ({"cluster": {"worker": ["a"]}, "task": TWO["task"]}, "list"),
        ({"cluster": {"worker": ["a:99999"]}, "task": TWO["task"]}, "list"),
        ({"cluster": {"worker": ["a:1", "a:1"]}, "task": TWO["task"]}, "twice"),
        ({"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": TWO["task"]}, "names ps"),
        ({"cluster": TWO["cluster"]}, 'needs "task"'),
        ({"cluster": TWO["cluster"], "task": {"type": "chief", "index": 0}}, 'needs "task"'),
        ({"cluster": TWO["cluster"], "task": {"type": "worker", "index": "x"}}, 'needs "task"'),
        ({"cluster": TWO["cluster"], "task": {"type": "worker", "index": 2}}, "worker 2, but"),
    ],
)
def test_what_tf_config_can_not_be(config: object, message: str):
    text = config if isinstance(config, str) else json.dumps(config)
    with pytest.raises(UsageError, match=message):
        find_cluster({"TF_CONFIG": text})


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "neither TF_CONFIG"),
        ({"SLURM_JOB_ID": "1"}, "srun"),
        (slurm(SLURM_STEP_TASKS_PER_NODE="2"), "3 hosts"),
        (slurm(SLURM_STEP_TASKS_PER_NODE="2,x,1"), "can't be read"),
        (slurm(SLURM_PROCID=""), "SLURM_PROCID is missing"),
        (slurm(SLURM_NODEID="0"), "distribution=block"),
    ],
)
def test_where_there_is_no_cluster(environment: dict[str, str], message: str):
    with pytest.raises(UsageError, match=message):
        find_cluster(environment)
