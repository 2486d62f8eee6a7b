"""Settings come from defaults, then the file, then the environment; a wrong one is a sentence."""

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from grader.environment import environment_values
from grader.errors import GraderFault, UsageError
from grader.settings import (
    PUBLIC_SECRET,
    default_settings_file,
    installation_secret,
    read_settings,
    resource,
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    for name in ("COURSE_SECRET", "DATA_DIR", "PROFILE", "SANDBOX", "SETTINGS"):
        monkeypatch.delenv(f"GRADER_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_without_anything_the_secret_is_the_public_one():
    settings = read_settings()
    assert settings.course_secret == PUBLIC_SECRET
    assert settings.secret_is_public


def test_the_environment_wins_over_the_file(tmp_path, monkeypatch):
    file = tmp_path / "settings.toml"
    file.write_text('profile = "full"\ndata_dir = "/from/file"\n')
    monkeypatch.setenv("GRADER_DATA_DIR", "/from/environment")
    settings = read_settings(file)
    assert settings.profile == "full"
    assert str(settings.data_dir) == "/from/environment"


def test_the_file_can_be_named_in_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADER_SETTINGS", str(tmp_path / "mine.toml"))
    assert default_settings_file() == tmp_path / "mine.toml"


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("colour = 'red'", "sets 'colour', which is no setting; known: course_secret"),
        ("profile = 3", "must be a string in quotes"),
        ("= 3", "cannot be read"),
    ],
)
def test_a_wrong_settings_file_is_one_sentence(tmp_path, text, sentence):
    file = tmp_path / "settings.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_settings(file)
    assert sentence in str(caught.value)


def test_a_course_secret_is_not_public(monkeypatch):
    monkeypatch.setenv("GRADER_COURSE_SECRET", "sesame")
    assert not read_settings().secret_is_public


def test_only_named_variables_are_passed_on(monkeypatch):
    monkeypatch.setenv("GRADER_COURSE_SECRET", "sesame")
    monkeypatch.setenv("SYSTEMROOT", "C:")
    assert environment_values(("SYSTEMROOT", "NOT_SET_ANYWHERE")) == {"SYSTEMROOT": "C:"}


def test_bundled_folders_are_found_and_a_missing_one_is_our_fault():
    assert resource("fixtures/data").is_dir()
    with pytest.raises(GraderFault, match="installation is incomplete"):
        resource("no such folder")


def test_an_installation_has_a_secret_of_its_own_that_only_its_user_can_read():
    secret = installation_secret()
    assert secret != PUBLIC_SECRET
    assert len(secret) == 64
    assert installation_secret() == secret
    kept = default_settings_file().with_name("secret")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [path.name for path in kept.parent.iterdir()] == ["secret"]


def test_two_installations_have_different_secrets(monkeypatch, tmp_path):
    first = installation_secret()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "another"))
    assert installation_secret() != first


def test_of_graders_that_start_at_once_all_get_the_same_secret():
    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(lambda _: installation_secret(), range(64)))) == 1


def test_a_home_that_cannot_be_written_to_leaves_the_public_secret(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    assert installation_secret() == PUBLIC_SECRET


def test_an_empty_secret_is_no_secret():
    kept = default_settings_file().with_name("secret")
    kept.parent.mkdir(parents=True)
    kept.write_text("")
    assert installation_secret() == PUBLIC_SECRET
