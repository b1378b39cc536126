"""Workers wait for each other before TensorFlow starts, which would wait for ever, deaf to everything."""

import contextlib
import json
import socket
import time
from collections.abc import Mapping
from typing import Any

from astrokeras.errors import AstrokerasError, UsageError
from astrokeras.training.distribution.worker_cluster import Cluster

_MOST_BYTES = 2**20
_RETRY = 0.2
# A connection that says nothing for so long is none of ours.
_SILENCE = 10.0

Message = dict[str, Any]


def meet(cluster: Cluster, facts: Mapping[str, Any], patience: float) -> None:
    """Wait until all workers are there, at the first one's address, and found to be alike.

    Args:
        cluster: the workers.
        facts: what all must have alike (of what JSON knows); the list of workers is compared too.
        patience: seconds to wait.

    Raises:
        AstrokerasError: some did not come in time, or the first one's address can't be had.
        UsageError: they differ.
    """
    facts = json.loads(json.dumps({**facts, "the list of workers": list(cluster.workers)}))
    deadline = time.monotonic() + patience
    reply = _host(cluster, facts, deadline) if cluster.index == 0 else _visit(cluster, facts, deadline)
    if reply.get("wrong"):
        raise UsageError(reply["wrong"])
    if reply.get("missing"):
        raise AstrokerasError(
            f"after {patience:g} s (--worker-timeout) {reply['missing']}; make sure that all {len(cluster.workers)} "
            "workers are started and reach each other at these addresses"
        )


def _send(connection: socket.socket, message: Message) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def _receive(connection: socket.socket, deadline: float) -> Message:
    """Return one message.

    Raises:
        OSError: there is none, or not in time.
        ValueError: it is not one of ours.
    """
    content = b""
    while not content.endswith(b"\n"):
        connection.settimeout(max(deadline - time.monotonic(), 0.01))
        part = connection.recv(_MOST_BYTES)
        content += part
        if not part or len(content) > _MOST_BYTES:
            raise ConnectionError("the connection was closed")
    message = json.loads(content)
    if not isinstance(message, dict):
        raise ValueError("no message")
    return message


def _host(cluster: Cluster, facts: Message, deadline: float) -> Message:
    """Wait for the other workers, as the first of them, and tell them what came of it."""
    port = int(cluster.workers[0].rpartition(":")[2])
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        server = socket.create_server(("", port), family=family, backlog=128, dualstack_ipv6=both)
    except OSError as error:
        raise AstrokerasError(
            f"{cluster.name(0)} can't listen at its port: {error.strerror}; choose another in TF_CONFIG"
        ) from error
    with server, contextlib.ExitStack() as stack:
        here: dict[int, socket.socket] = {}
        wrong = ""
        while len(here) < len(cluster.workers) - 1 and time.monotonic() < deadline:
            server.settimeout(max(deadline - time.monotonic(), 0.01))
            try:
                connection = stack.enter_context(server.accept()[0])
                message = _receive(connection, min(deadline, time.monotonic() + _SILENCE))
                index, theirs = message["index"], message["facts"]
                differing = [name for name in sorted({*facts, *theirs}) if facts.get(name) != theirs.get(name)]
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                continue  # no worker, or one that will try again
            place = index
            if index not in range(1, len(cluster.workers)):
                differing, place = ["the list of workers"], -len(here) - 1
            here[place] = connection
            if differing and not wrong:
                listed = ", ".join(_difference(name, facts, theirs) for name in differing)
                wrong = f"worker 0 and worker {index} were not started alike: {listed}"
        absent = [cluster.name(index) for index in range(1, len(cluster.workers)) if index not in here]
        missing = f"{', '.join(absent)} had not come to {cluster.name(0)}" if absent else ""
        reply = {"wrong": wrong, "missing": missing}
        for connection in here.values():
            with contextlib.suppress(OSError):
                connection.settimeout(_SILENCE)
                _send(connection, reply)
        for connection in here.values():
            with contextlib.suppress(OSError):
                connection.recv(1)  # they close first, so that the port is free at once
        return reply


def _difference(name: str, facts: Message, theirs: Message) -> str:
    both = (facts.get(name), theirs.get(name))
    return f"{name}: {' and '.join(','.join(map(str, v)) if isinstance(v, list) else str(v) for v in both)}"


def _visit(cluster: Cluster, facts: Message, deadline: float) -> Message:
    """Go to the first worker, as another, and wait for what it says."""
    host, _, port = cluster.workers[0].rpartition(":")
    reason = "it did not answer"
    while time.monotonic() < deadline:
        try:
            timeout = max(min(_SILENCE, deadline - time.monotonic()), 0.01)
            with socket.create_connection((host.strip("[]"), int(port)), timeout=timeout) as connection:
                _send(connection, {"index": cluster.index, "facts": facts})
                # The first one says by itself when it has waited long enough.
                return _receive(connection, deadline + _SILENCE)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            time.sleep(_RETRY)
    return {"missing": f"{cluster.name(cluster.index)} could not reach {cluster.name(0)} ({reason})"}
