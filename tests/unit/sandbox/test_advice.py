"""Where a sandbox is missing, the one thing that would give it is named."""

from __future__ import annotations

import pytest

from grader.doctor import _isolation_advice
from grader.sandbox import Finding, account, bubblewrap, machine, providers


@pytest.fixture
def on_linux(monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(machine.os, "geteuid", lambda: 1000)


def found(name: str, level: int, *, available: bool, remedy: str = "") -> Finding:
    return Finding(name, level, available=available, reason="", remedy=remedy)


@pytest.mark.parametrize(
    ("program", "command"),
    [
        ("apt-get", "sudo apt-get install -y bubblewrap"),
        ("dnf", "sudo dnf install -y bubblewrap"),
        ("zypper", "sudo zypper install -y bubblewrap"),
        ("none of them", "install the package bubblewrap with this system's installer"),
    ],
)
def test_a_missing_bubblewrap_is_installed_with_this_systems_own_command(
    monkeypatch, on_linux, program, command
):
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}" if name == program else None)
    assert bubblewrap.missing() == "the program bwrap is not installed"
    assert bubblewrap.remedy() == command


def test_root_is_told_no_sudo(monkeypatch, on_linux):
    monkeypatch.setattr(machine.os, "geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda name: name if name == "apt-get" else None)
    assert bubblewrap.remedy() == "apt-get install -y bubblewrap"


@pytest.mark.parametrize(
    ("setting", "value", "command"),
    [
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ("kernel/unprivileged_userns_clone", "0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", "0", "sudo sysctl -w user.max_user_namespaces=15000"),
    ],
)
def test_a_kernel_setting_that_forbids_namespaces_is_named(monkeypatch, on_linux, setting, value, command):
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(bubblewrap, "kernel_switch", lambda name: value if name == setting else None)
    assert bubblewrap.remedy() == command


def test_a_container_is_told_from_a_machine_that_forbids(monkeypatch, on_linux):
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(bubblewrap, "kernel_switch", lambda _: None)
    monkeypatch.setattr(bubblewrap, "in_container", lambda: True)
    assert "outside the container" in bubblewrap.remedy()
    monkeypatch.setattr(bubblewrap, "in_container", lambda: False)
    assert "bwrap --unshare-all" in bubblewrap.remedy()


def test_a_kernel_without_landlock_is_told_how_to_switch_it_on(monkeypatch, on_linux):
    monkeypatch.setattr(providers, "landlock_abi", lambda: 0)
    monkeypatch.setattr(providers, "security_modules", lambda: "capability,yama,apparmor")
    assert "lsm=landlock,capability,yama,apparmor" in providers.CONFINED.remedy()


def test_where_landlock_is_there_it_is_not_what_would_help(monkeypatch, on_linux):
    monkeypatch.setattr(providers, "landlock_abi", lambda: 7)
    assert "Landlock is there" in providers.CONFINED.remedy()


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_other_systems_are_sent_to_linux(monkeypatch, system):
    monkeypatch.setattr("sys.platform", system)
    for provider in providers.PROVIDERS:
        if provider.level >= 2:
            assert system in (provider.missing() or "")
            assert "Linux" in provider.remedy() or "root" in provider.remedy()


def test_only_root_can_take_an_account(monkeypatch, on_linux):
    assert account.missing() == "only root can give a worker a user of its own"


@pytest.mark.parametrize(
    ("available", "holds", "helps"),
    [
        ({3, 2, 1}, "Isolation level 3 (hardened) holds", None),
        ({2, 1}, "Isolation level 2 (confined) holds", "level 3 (hardened): install bwrap"),
        ({1}, "Only isolation level 1 holds", "level 2 (confined): a newer kernel"),
        (set(), "No sandbox works here", "level 1 (separate): a Python"),
    ],
)
def test_the_doctor_names_the_level_and_what_would_give_the_next_one(available, holds, helps):
    findings = [
        found("bubblewrap", 3, available=3 in available, remedy="install bwrap"),
        found("account", 3, available=False, remedy="be root"),
        found("confined", 2, available=2 in available, remedy="a newer kernel"),
        found("separate", 1, available=1 in available, remedy="a Python"),
    ]
    sentences = _isolation_advice(findings)
    assert holds in sentences[0]
    assert (helps in sentences[-1]) if helps else len(sentences) == 1
