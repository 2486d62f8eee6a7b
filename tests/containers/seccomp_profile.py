"""System calls that a container engine refuses by default, as a profile of the OCI runtime specification.

Written after what Docker's default profile leaves out for a container without extra capabilities on a kernel
of today. That profile names what is allowed; this one names what is refused, which is the same for the calls
below and stays readable. Tracing is allowed since kernel 4.8, Landlock since Docker 23.
"""

from __future__ import annotations

import errno
import platform
from collections.abc import Iterable
from typing import Any

REFUSED = (
    # mounts and namespaces
    *("mount", "umount", "umount2", "pivot_root", "setns", "unshare"),
    *("fsconfig", "fsmount", "fsopen", "fspick", "mount_setattr", "move_mount", "open_tree"),
    # keys, which namespaces do not separate
    *("add_key", "keyctl", "request_key"),
    # the kernel itself, its modules, its clock and its log
    *("create_module", "delete_module", "finit_module", "get_kernel_syms", "init_module", "query_module"),
    *("kexec_file_load", "kexec_load", "reboot", "swapoff", "swapon", "acct", "quotactl", "nfsservctl"),
    *("clock_adjtime", "clock_settime", "settimeofday", "stime", "syslog", "vhangup"),
    *("sethostname", "setdomainname", "_sysctl", "sysfs", "uselib", "ustat", "lookup_dcookie"),
    # what has been a way out before
    *("bpf", "perf_event_open", "userfaultfd", "fanotify_init", "open_by_handle_at"),
    *("io_uring_enter", "io_uring_register", "io_uring_setup"),
    # other processes, memory nodes and ports
    *("kcmp", "pidfd_getfd", "process_madvise", "migrate_pages", "move_pages"),
    *("get_mempolicy", "mbind", "set_mempolicy", "ioperm", "iopl"),
)
LANDLOCK = ("landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self")

ARCHITECTURES = {
    "x86_64": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    "aarch64": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
}
NEW_NAMESPACES = (17, 25, 26, 27, 28, 29, 30)  # the bits CLONE_NEWNS, NEWCGROUP, NEWUTS … NEWNET
EXECUTION_DOMAINS = range(18, 28)  # bits of personality() that switch off defences
VSOCK = 40
QUERY = 1 << 31  # personality(0xFFFFFFFF) asks and changes nothing


def profile(also_refused: Iterable[str] = ()) -> dict[str, Any]:
    """Return the `linux.seccomp` part of a container's configuration."""
    return {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ARCHITECTURES[platform.machine()],
        "syscalls": [
            _refusal(*REFUSED, *also_refused),
            _refusal("clone3", number=errno.ENOSYS),  # its flags are out of reach; libc falls back to clone
            *(_refusal("clone", when=_bits(1 << bit, 1 << bit)) for bit in NEW_NAMESPACES),
            *(_refusal("personality", when=_bits(QUERY | 1 << bit, 1 << bit)) for bit in EXECUTION_DOMAINS),
            _refusal("socket", when={"index": 0, "value": VSOCK, "op": "SCMP_CMP_EQ"}),
        ],
    }


def _refusal(*names: str, number: int = errno.EPERM, when: dict[str, Any] | None = None) -> dict[str, Any]:
    rule: dict[str, Any] = {"names": list(names), "action": "SCMP_ACT_ERRNO", "errnoRet": number}
    return rule | ({"args": [when]} if when else {})


def _bits(mask: int, value: int) -> dict[str, Any]:
    """Hold when these bits of the first argument have this value."""
    return {"index": 0, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}
