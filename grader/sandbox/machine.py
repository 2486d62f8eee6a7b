"""What kind of machine this is: how much it can do at once, and what advice depends on."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from grader.environment import environment_values
from grader.sandbox.usage import granted_processors

GPU_LOOK_SECONDS = 5.0
GPU_LOCK = Path("/dev/nvidiactl")  # there wherever there is a GPU of NVIDIA's, and the same for all users
DRIVER_LIBRARY = "libcuda.so.1"
OWN_THREADS = "/proc/self/task"  # of the worker: CUDA gives its threads names, and does not start without
MOST_PROCESSORS = 4  # for one submission: its batches and questions are small, more would only wait
# What it reads of the system before it computes; /proc/self is the worker's own.
DRIVER_READS = (
    "/proc/driver/nvidia",
    "/proc/devices",
    "/proc/cpuinfo",
    "/proc/stat",
    "/proc/self/maps",
    "/proc/self/status",
    "/proc/self/stat",
    "/proc/sys/vm/mmap_min_addr",
    "/sys/module/nvidia",
    "/sys/devices/system/node",
    "/sys/devices/system/cpu",
    "/sys/devices/system/memory/block_size_bytes",
)
# Where containers and distributions put it that keep it out of /usr/lib: NVIDIA's images, Colab, WSL, NixOS.
DRIVER_FOLDERS = (
    "/usr/local/nvidia/lib64",
    "/usr/lib64-nvidia",
    "/usr/lib/wsl/lib",
    "/run/opengl-driver/lib",
)
INSTALLERS = {
    "apt-get": "apt-get install -y",
    "dnf": "dnf install -y",
    "apk": "apk add",
    "pacman": "pacman -S --noconfirm",
    "zypper": "zypper install -y",
}


def processors() -> int:
    """Return how many processors this process may use, at least one.

    `taskset` may give it fewer than there are, and a container the time of fewer: all that is done at once
    would only take longer there.
    """
    if sys.platform == "linux":
        return max(1, int(min(len(os.sched_getaffinity(0)), granted_processors())))
    return os.cpu_count() or 1


def processors_each(gradings: int = 1) -> int:
    """Return how many processors each of so many submissions may use that are graded at once."""
    return max(1, min(processors() // gradings, MOST_PROCESSORS))


def device_files() -> tuple[str, ...]:
    """Return what a worker needs of the system to compute on a GPU of NVIDIA's: devices and driver."""
    if sys.platform != "linux":
        return ()
    names = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")
    devices = [*sorted(Path("/dev").glob("nvidia[0-9]*")), *(Path("/dev", name) for name in names)]
    driver = (*map(Path, (OWN_THREADS, *DRIVER_READS)), *_driver_folders())
    return tuple(str(path) for path in (*devices, *driver) if path.exists())


def holds_driver(folder: str) -> bool:
    """Whether a folder holds the library through which CUDA is used."""
    return Path(folder, DRIVER_LIBRARY).exists()


def _driver_folders() -> Iterator[Path]:
    """Yield where the driver's libraries are, beside the system's own folders, in the loader's order."""
    own = environment_values(["LD_LIBRARY_PATH"]).get("LD_LIBRARY_PATH", "").split(":")
    for folder in dict.fromkeys((*own, *DRIVER_FOLDERS)):
        if folder.startswith("/") and holds_driver(folder):
            yield Path(folder)


def has_gpu() -> bool:
    """Whether there is a GPU of NVIDIA's with its driver."""
    return any(Path(path).name[-1].isdigit() for path in device_files() if path.startswith("/dev/nvidia"))


@contextmanager
def gpu_turn(notify: Callable[[str], None], *, lock: Path = GPU_LOCK) -> Iterator[None]:
    """Wait until no other grader's worker uses the GPU, and keep it until the block ends.

    The system lets go of the lock however a grader ends.
    """
    import fcntl  # noqa: PLC0415 -- not on Windows

    device = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while not _is_ours(fcntl, device):
            notify("waiting for the GPU, which another grading uses")
            time.sleep(GPU_LOOK_SECONDS)
        yield
    finally:
        os.close(device)


def _is_ours(fcntl: Any, device: int) -> bool:
    try:
        fcntl.flock(device, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def install_command(package: str) -> str:
    """Return the command that installs a package on this system."""
    found = next((command for program, command in INSTALLERS.items() if shutil.which(program)), None)
    if found is None:
        return f"install the package {package} with this system's installer"
    return as_root(f"{found} {package}")


def as_root(command: str) -> str:
    """Return a command as this user would have to type it to run it as root."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return command if is_root else f"sudo {command}"


def kernel_switch(name: str) -> str | None:
    """Return the value of a kernel setting ("kernel/…"), or None where there is no such setting."""
    try:
        return Path("/proc/sys", name).read_text().strip()
    except OSError:
        return None


def in_container() -> bool:
    """Whether this looks like a container: only advice depends on it."""
    return any(Path(name).exists() for name in ("/.dockerenv", "/run/.containerenv"))


def security_modules() -> str:
    """Return the names of the security modules that the kernel was started with, or nothing."""
    try:
        return Path("/sys/kernel/security/lsm").read_text().strip()
    except OSError:
        return ""
