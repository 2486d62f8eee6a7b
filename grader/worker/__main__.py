"""Start of the worker: `python <flags> …/worker DESCRIPTOR LIBRARIES`.

It holds nothing but the modules beside it. The first frame says what to lock and which submission to serve;
the locks are set, the probes run, and only then is student code ever imported. Or it says which libraries
to load for workers to come (zygote.py): each of those is a fork, which goes on with a first frame of its own.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import socket
import sys
import types
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 -- starting needs no pathlib
PACKAGE = "_grader_worker"


def main() -> None:
    """Serve requests until the other end closes."""
    gc.disable()  # what is loaded until a submission's first module stays
    _become_package()
    open_descriptors = _own("descriptors").open_descriptors
    inherited = open_descriptors()  # before anything of ours opens one, as some builds of ctypes do
    descriptor, libraries = int(sys.argv[1]), json.loads(sys.argv[2])
    sys.argv[1:] = []
    os.environ.pop("PWD", None)  # bubblewrap adds it; the environment is the same under every sandbox
    _own("libraries").use_libraries(**libraries)
    importlib.import_module("numpy.random")
    wire_module, protocol, session = (_own(name) for name in ("wire", "protocol", "session"))
    _own("probes")  # a fork finds our files out of its reach
    connection = socket.socket(fileno=descriptor)
    wire = wire_module.Wire(connection)
    gc.enable()
    request, _ = wire.receive()
    set_by_libraries: dict[str, str] = {}
    if "preload" in request:
        # Here goes on each forked worker.
        descriptor, set_by_libraries = _own("zygote").attend(connection, request)
        inherited = open_descriptors()
        wire = wire_module.Wire(socket.socket(fileno=descriptor))
        request, _ = wire.receive()
    wire.send(protocol.pack({"id": request["id"], "started": _lock(request, descriptor, inherited)}, []))
    os.environ.update(set_by_libraries)  # as when they are loaded from here on
    served = session.Session(
        request["root"], request["places"], by_file=request["by_file"], converse=wire.converse
    )
    if (wanted := request["notebook"]) is not None:
        _own("notebook").serve(served, request["root"], wanted)
    while True:
        request, arrays = wire.receive()
        answer = served.answer(request, arrays)
        session.flush_output()
        wire.send(answer)


def _become_package() -> None:
    """Put our modules under a package name, so that a student's `protocol.py` stays a student's."""
    package = types.ModuleType(PACKAGE)
    package.__path__ = [HERE]
    sys.modules[PACKAGE] = package
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != HERE]  # noqa: PTH100


def _own(name: str) -> Any:
    return importlib.import_module(f"{PACKAGE}.{name}")


def _lock(request: dict[str, Any], descriptor: int, inherited: list[int]) -> dict[str, Any]:
    confinement, probes = _own("confinement"), _own("probes")
    early = {**probes.look_around(), "descriptors": inherited}
    try:
        confinement.die_with_parent()
        missing = confinement.apply_limits(request["limits"])
        abi = 0
        if request["confine"]:
            abi = confinement.apply_landlock(confinement.FileRules(**_tuples(request["files"])))
            confinement.drop_capabilities()
            confinement.apply_seccomp(
                has_scratch=bool(request["files"]["change"]), has_gpu=bool(request["files"]["command"])
            )
    except confinement.ConfinementError as error:
        return {"failure": error.strerror or str(error)}
    answers = probes.run_probes(request["probes"] | {"descriptor": descriptor, "early": early})
    return {"probes": answers, "missing_limits": missing, "landlock_abi": abi, **probes.versions()}


def _tuples(files: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(paths) for name, paths in files.items()}


main()
