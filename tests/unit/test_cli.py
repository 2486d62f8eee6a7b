"""Names, exit codes and sentences of the command line; the grading itself is replaced."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from grader import cli, cli_paths, doctor, endings, pipeline, watching
from grader.errors import (
    DataUnavailable,
    GraderFault,
    SandboxUnavailable,
    SubmissionRejected,
    UsageError,
)
from grader.model import Ending, Outcome
from grader.sandbox import Finding
from grader.scoring import score
from tests.contract.report_samples import RUNNER
from tests.contract.tiny_assignment import rubric_of, write_assignment
from tests.unit.rubrics import plan_of, results_of
from tests.unit.test_scoring import facts


@pytest.fixture(autouse=True)
def no_settings(monkeypatch, tmp_path):
    for name in ("COURSE_SECRET", "DATA_DIR", "PROFILE", "SANDBOX"):
        monkeypatch.delenv(f"GRADER_{name}", raising=False)
    monkeypatch.setenv("GRADER_SETTINGS", str(tmp_path / "none.toml"))


@pytest.fixture
def asked(monkeypatch):
    """Replace the stages; the options of each grading are collected."""
    seen = []

    def prepare(options):
        seen.append(options)
        return plan_of(*options.questions, visible_only=options.visible_only)

    def grade(path, options, *, plan, on_event, zygote, remembered=None, meanwhile=None):
        name = Path(path).stem
        if name == "rejected":
            report = score(plan, {}, facts(Ending.REJECTED, reason="no zip"))
            return pipeline.Graded(report, SubmissionRejected("no zip"))
        if name == "unconfined":
            report = score(plan, {}, facts(Ending.NO_ISOLATION, reason="no Landlock"))
            return pipeline.Graded(report, SandboxUnavailable("no Landlock"))
        if name == "broken":
            report = score(plan, {}, facts(Ending.BROKE, reason="it died"))
            return pipeline.Graded(report, GraderFault("it died"))
        if name == "interrupted":
            report = score(plan, {}, facts(Ending.INTERRUPTED, reason="grading was interrupted"))
            return pipeline.Graded(report)
        outcomes = {"a": Outcome.FAILED} if name == "wrong" else {}
        seen = facts()
        if name in {"alice", "bob"}:
            seen = replace(seen, submission=seen.submission.model_copy(update={"name": name}))
        return pipeline.Graded(score(plan, results_of(plan, **outcomes), seen))

    monkeypatch.setattr(pipeline, "prepare", prepare)
    monkeypatch.setattr(pipeline, "grade", grade)
    return seen


def fail_unexpectedly(options):
    raise ZeroDivisionError


def run_in(folder, *arguments):
    return cli.run([*arguments, "--out", str(folder)])


@pytest.mark.parametrize(
    "name, code, status",
    [
        ("right", 0, "graded"),
        ("rejected", 2, "rejected"),
        ("broken", 3, "grader_error"),
        ("unconfined", 4, "grader_error"),
        ("interrupted", 130, "interrupted"),
    ],
)
def test_every_ending_has_its_exit_code_and_a_report(asked, tmp_path, capsys, *, name, code, status):
    assert run_in(tmp_path, "grade", f"{name}.zip", "--questions", "q6.1") == code
    assert json.loads((tmp_path / "report.json").read_text())["status"] == status
    errors = capsys.readouterr().err
    assert errors == "" if code == 0 else errors.startswith("grader: ")
    assert errors.count("\n") == (0 if code == 0 else 1)


def test_a_score_below_the_asked_one_is_exit_1_and_not_below_is_0(asked, tmp_path, capsys):
    assert run_in(tmp_path, "grade", "wrong.zip", "--questions", "q6.1", "--min-score", "0.65") == 1
    assert run_in(tmp_path, "grade", "right.zip", "--questions", "q6.1", "--min-score", "0.7") == 0


def test_the_worst_of_several_exit_codes_wins():
    assert endings.worst([0, 1, 0]) == 1
    assert endings.worst([1, 2]) == 2
    assert endings.worst([2, 4, 3]) == 3
    assert endings.worst([3, 130]) == 130
    assert endings.worst([]) == 0


def test_grade_writes_every_format_that_is_asked_for(asked, tmp_path, capsys):
    assert run_in(tmp_path, "grade", "right.zip", "--format", "junit, gradescope,csv") == 0
    made = {path.name for path in tmp_path.iterdir()}
    assert made >= {"report.json", "junit.xml", "results.json", "report.csv"}
    assert "report.md" not in made


@pytest.mark.parametrize(
    "name, sentence", [("pdf", "unknown format 'pdf'; known: json,"), ("classroom50", "inside its runner")]
)
def test_a_format_that_cannot_be_made_here_is_told_before_anything_is_graded(
    asked, tmp_path, capsys, monkeypatch, *, name, sentence
):
    monkeypatch.delenv("CLASSROOM", raising=False)
    assert run_in(tmp_path, "grade", "right.zip", "--format", f"junit,{name}") == 2
    assert sentence in capsys.readouterr().err
    assert asked == []


def test_a_format_that_cannot_say_not_scored_is_left_out_and_an_older_one_goes(
    asked, tmp_path, capsys, monkeypatch
):
    for name, value in RUNNER.items():
        monkeypatch.setenv(name, value)
    arguments = ("--format", "classroom50,gradescope", "--questions", "q6.1")
    assert run_in(tmp_path, "grade", "right.zip", *arguments) == 0
    assert (tmp_path / "result.json").exists()
    assert run_in(tmp_path, "grade", "broken.zip", *arguments) == 3
    assert not (tmp_path / "result.json").exists()
    assert "score" not in json.loads((tmp_path / "results.json").read_text())
    errors = capsys.readouterr().err.splitlines()
    assert errors[0].endswith("classroom50 could only be told a zero: it was not written")
    assert len(errors) == 2


def test_after_an_interruption_no_other_submission_is_begun(asked, tmp_path, capsys):
    assert run_in(tmp_path, "grade", "interrupted.zip", "right.zip") == 130
    assert (tmp_path / "interrupted" / "report.json").exists()
    assert not (tmp_path / "right" / "report.json").exists()


def test_options_reach_the_pipeline(asked, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("GRADER_COURSE_SECRET", "sesame")
    monkeypatch.setenv("GRADER_PROFILE", "full")
    run_in(
        tmp_path,
        *("grade", "right.zip", "--questions", "q6.1, q1", "--seed", "7", "--min-isolation", "3"),
        *("--sandbox", "confined", "--device", "cpu", "--rubric", "mine.toml", "--data-dir", "data"),
    )
    options = asked[0]
    assert options.questions == ("q6.1", "q1")
    assert (options.seed, options.min_isolation, options.sandbox) == (7, 3, "confined")
    assert (options.device, options.rubric, options.data_dir) == ("cpu", Path("mine.toml"), Path("data"))
    assert (options.course_secret, options.profile) == ("sesame", "full")


def test_a_flag_wins_over_the_environment(asked, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("GRADER_PROFILE", "full")
    run_in(tmp_path, "grade", "right.zip", "--profile", "sample")
    assert asked[0].profile == "sample"


def test_an_unwritable_place_is_found_before_anything_is_graded(asked, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run_in(tmp_path / "file", "grade", "right.zip") == 2
    assert asked == []
    assert "cannot write into" in capsys.readouterr().err


@pytest.fixture
def waiting(asked, tmp_path, capsys):
    """Return the path of a report in which q1.3 and a part of q4.1 wait for a person."""
    assert run_in(tmp_path, "grade", "right.zip") == 0
    capsys.readouterr()
    return tmp_path / "report.json"


def test_a_grading_says_what_waits_for_a_person_and_how_to_mark_it(asked, tmp_path, capsys):
    assert run_in(tmp_path, "grade", "right.zip") == 0
    output = capsys.readouterr().out
    assert "Total: 0.7/5.7 (partial, 3.5 wait for a person)\n" in output
    assert "For a person to mark: q1.3.proof (3), q4.1.balanced (0.5)\n" in output
    assert f"Mark with: grader mark {tmp_path / 'report.json'} q1.3 POINTS --by NAME\n" in output


def test_a_mark_is_given_shown_and_kept_when_the_work_is_graded_again(asked, waiting, tmp_path, capsys):
    arguments = ("mark", str(waiting), "q1.3", "2.5", "--by", "Ann", "--comment", "why?", "--part", "proof")
    assert cli.run(arguments) == 0
    assert capsys.readouterr().out == (
        "alice: q1.3.proof: 2.5/3 by Ann\nTotal: 3.2/5.7 (partial, 0.5 wait for a person)\n"
    )
    assert run_in(tmp_path, "grade", "alice.zip", "--min-score", "3.2") == 0
    output = capsys.readouterr().out
    row = next(line for line in output.splitlines() if line.startswith("q1.3"))
    assert row.split() == ["q1.3", "By", "hand", "2.5/3", "by", "hand", "marked", "by", "Ann:", "why?"]
    assert "For a person to mark: q4.1.balanced (0.5)\n" in output


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (("q1.3", "4", "--by", "Ann"), "q1.3.proof is worth 0 to 3 points, not '4'"),
        (("q1.3", "nan", "--by", "Ann"), "q1.3.proof is worth 0 to 3 points, not 'nan'"),
        (("q1.3", "1", "--by", ""), "--by takes the name of the person who marks"),
        (("q1.3", "1"), "Missing option '--by' (see --help)"),
        (("q1.3", "--by", "Ann"), "Missing argument 'POINTS' (see --help)"),
        (
            ("q6.1", "1", "--by", "A"),
            "'q6.1' has no written part; a person marks the written parts of q1.3, q4.1",
        ),
        (
            ("q7.1", "1", "--by", "A"),
            "'q7.1' is not in this report; a person marks the written parts of q1.3, q4.1",
        ),
        (("q1.3", "1", "--by", "A", "--part", "x"), "q1.3 has no written part 'x'; it has: proof"),
    ],
)
def test_a_mark_that_cannot_be_given_is_one_sentence_and_exit_2(waiting, capsys, arguments, sentence):
    assert cli.run(("mark", str(waiting), *arguments)) == 2
    assert capsys.readouterr().err == f"grader: {sentence}\n"


def test_a_report_that_is_not_there_cannot_be_marked(tmp_path, capsys):
    assert cli.run(("mark", str(tmp_path / "none.json"), "q1.3", "1", "--by", "Ann")) == 2
    assert (
        capsys.readouterr().err
        == f"grader: {tmp_path / 'none.json'} cannot be read: No such file or directory\n"
    )


def test_the_marks_of_somebody_else_are_not_overwritten_and_nothing_is_graded(
    asked, waiting, tmp_path, capsys
):
    assert cli.run(("mark", str(waiting), "q1.3", "2", "--by", "Ann")) == 0
    before = waiting.read_bytes()
    assert run_in(tmp_path, "grade", "wrong.zip") == 2
    assert capsys.readouterr().err == (
        f"grader: {tmp_path} holds a report of alice (tiny) with a person's marks;"
        " choose another --out, or move it away\n"
    )
    assert waiting.read_bytes() == before
    assert run_in(tmp_path, "grade", "wrong.zip", "right.zip") == 0


def test_several_submissions_keep_the_marks_of_each(asked, tmp_path, capsys):
    for _ in range(2):
        assert run_in(tmp_path, "grade", "alice.zip", "bob.zip") == 0
        report = tmp_path / "alice" / "report.json"
        if not json.loads(report.read_text())["marks"]:
            assert cli.run(("mark", str(report), "q1.3", "3", "--by", "Ann")) == 0
    assert json.loads(report.read_text())["score"] == 3.7
    assert json.loads((tmp_path / "bob" / "report.json").read_text())["score"] == 0.7


def test_an_older_report_that_cannot_be_read_is_kept_aside_and_told(asked, tmp_path, capsys):
    (tmp_path / "report.json").write_text("{")
    assert run_in(tmp_path, "grade", "right.zip") == 0
    errors = capsys.readouterr().err
    assert errors.startswith(
        f"grader: right: {tmp_path / 'report.json'}: this is no report of this version: "
    )
    assert errors.endswith("report.json.unreadable, and marks in it were not carried over\n")
    assert (tmp_path / "report.json.unreadable").read_text() == "{"


def test_an_unknown_format_names_the_known_ones(asked, tmp_path, capsys):
    assert run_in(tmp_path, "grade", "right.zip", "--format", "papyrus") == 2
    assert "unknown format 'papyrus'; known: json" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error, code",
    [(UsageError("a"), 2), (DataUnavailable("a"), 2), (GraderFault("a"), 3), (SandboxUnavailable("a"), 4)],
)
def test_an_error_of_ours_is_one_sentence_and_its_exit_code(monkeypatch, tmp_path, capsys, error, code):
    def prepare(options):
        raise error

    monkeypatch.setattr(pipeline, "prepare", prepare)
    assert run_in(tmp_path, "grade", "right.zip") == code
    assert capsys.readouterr().err == "grader: a\n"


def test_an_unexpected_exception_is_exit_3_and_its_traceback_is_saved(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(pipeline, "prepare", fail_unexpectedly)
    assert run_in(tmp_path / "out", "grade", "right.zip") == 3
    errors = capsys.readouterr().err
    saved = next(tmp_path.glob("grader-fault-*.txt"))
    assert errors == (
        f"grader: an unexpected fault in the grader itself (ZeroDivisionError); the details are in {saved}\n"
    )
    assert "Traceback" in saved.read_text()


def test_debug_shows_the_traceback_at_once(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(pipeline, "prepare", fail_unexpectedly)
    assert cli.run(["--debug", "grade", "right.zip", "--out", str(tmp_path)]) == 3
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["grade"], ["dance"], ["grade", "a.zip", "--seed", "x"], ["grade", "a.zip", "--no-such"]]
)
def test_a_call_that_makes_no_sense_is_one_sentence_and_exit_2(capsys, arguments):
    assert cli.run(arguments) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("grader: ")
    assert errors.endswith("(see --help)\n")
    assert errors.count("\n") == 1


def test_help_and_version_are_exit_0(capsys):
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("grader 0.")
    assert cli.run([]) == 0
    assert cli.run(["grade", "--help"]) == 0
    assert "--min-isolation" in capsys.readouterr().out


def test_ctrl_c_outside_a_grading_is_exit_130(monkeypatch, tmp_path, capsys):
    def prepare(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "prepare", prepare)
    assert run_in(tmp_path, "grade", "right.zip") == 130


def test_check_is_a_self_check_with_the_public_secret(asked, capsys, monkeypatch):
    monkeypatch.setenv("GRADER_COURSE_SECRET", "sesame")
    assert cli.run(["check", "right", "q6.1"]) == 0
    options = asked[0]
    assert (options.min_isolation, options.visible_only, options.questions) == (1, True, ("q6.1",))
    assert options.course_secret != "sesame"
    assert not options.is_grade
    output = capsys.readouterr().out
    assert "2 of 2 visible checks pass. 1 hidden check worth 0.4 points is not shown here." in output
    assert "This is a self-check, not a grade." in output


def test_check_is_exit_1_when_a_visible_check_failed(asked, capsys):
    assert cli.run(["check", "wrong"]) == 1
    assert "failed, 0 of 0.1 points: A (q6.1.a)" in capsys.readouterr().out


def test_a_watch_checks_until_it_is_interrupted_and_is_exit_0(asked, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(watching.time, "sleep", lambda _: None)
    (tmp_path / "interrupted").mkdir()
    assert cli.run(["check", str(tmp_path / "interrupted"), "q6.1", "--watch"]) == 0
    assert capsys.readouterr() == ("", "")
    assert cli.run(["check", str(tmp_path / "nothing"), "--watch"]) == 2
    assert "there is no file or folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name, code", [("rejected", 2), ("broken", 3), ("unconfined", 4), ("interrupted", 130)]
)
def test_check_has_the_exit_codes_of_grade(asked, capsys, name, code):
    assert cli.run(["check", name]) == code


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ([], (Path(), ())),
        (["q6.1"], (Path(), ("q6.1",))),
        (["Q6"], (Path(), ("Q6",))),
        (["work"], (Path("work"), ())),
        (["./q6.1", "q6.2", "q6.3"], (Path("q6.1"), ("q6.2", "q6.3"))),
    ],
)
def test_the_first_argument_of_check_is_a_path_unless_it_looks_like_a_question(arguments, expected):
    assert cli_paths.split_check_arguments(arguments) == expected


def test_one_submission_is_reported_in_the_folder_itself(tmp_path):
    assert cli_paths.output_folders([tmp_path / "a.zip"], Path("out")) == {tmp_path / "a.zip": Path("out")}


def test_several_submissions_get_a_folder_each(tmp_path):
    paths = [tmp_path / "a.zip", tmp_path / "b"]
    assert list(cli_paths.output_folders(paths, Path("out")).values()) == [Path("out/a"), Path("out/b")]


def test_submissions_of_the_same_name_are_told_apart_by_their_folders(tmp_path):
    paths = [tmp_path / "ann" / "hw1.zip", tmp_path / "bob" / "HW1.zip", tmp_path / "c.zip"]
    folders = list(cli_paths.output_folders(paths, Path("out")).values())
    assert folders == [Path("out/ann-hw1"), Path("out/bob-HW1"), Path("out/c")]


def test_a_zip_and_a_folder_of_the_same_name_cannot_be_told_apart(tmp_path):
    with pytest.raises(UsageError, match="cannot be told apart"):
        cli_paths.output_folders([tmp_path / "a.zip", tmp_path / "a"], Path("out"))


def test_the_same_submission_twice_is_refused(tmp_path):
    with pytest.raises(UsageError, match="given twice"):
        cli_paths.output_folders([tmp_path / "a.zip", tmp_path / "x" / ".." / "a.zip"], Path("out"))


def test_a_complaint_is_one_line_whatever_is_in_it(capsys):
    endings.complain("a\n\x1b[31mb\u202e")
    assert capsys.readouterr().err == "grader: a b\n"


def test_an_unknown_setting_of_the_pipeline_is_refused_by_name():
    for change in ({"profile": "big"}, {"sandbox": "x"}, {"device": "tpu"}, {"min_isolation": 0}):
        with pytest.raises(UsageError, match=r"unknown|is 1, 2 or 3"):
            pipeline.prepare(pipeline.GradeOptions(**change))


def test_the_rubric_is_shown_as_a_table(tmp_path, monkeypatch, capsys):
    assignment = write_assignment(
        tmp_path / "tiny",
        '@check("q6.1.a")\ndef test_a(): "A."',
        hidden='@check("q6.1.b")\ndef test_b(): "B."',
        rubric=rubric_of({"a": 1.5, "b": 2}),
    )
    monkeypatch.setattr(pipeline, "HW1", assignment)
    assert cli.run(["rubric"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == ["q6.1", "3.5", "1", "visible,", "1", "hidden", "Linear"]
    assert lines[2] == ["total", "3.5", "tiny", "1"]


def test_the_doctor_names_levels_packages_data_and_what_would_help(monkeypatch, tmp_path, capsys):
    found = [
        Finding("confined", 2, available=False, reason="no Landlock", remedy="use Linux 5.13"),
        Finding("separate", 1, available=True, reason="every probe holds", remedy=""),
    ]
    monkeypatch.setattr(doctor, "survey", lambda: found)
    assert cli.run(["doctor", "--data-dir", str(tmp_path)]) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert "level 2 confined missing no Landlock; use Linux 5.13" in output
    assert "mnist sample verified" in output
    assert "Only isolation level 1 holds here" in output
    assert "GRADER_COURSE_SECRET" in output


def test_the_state_of_the_data_is_a_table(tmp_path, capsys):
    assert cli.run(["data", "status", "--data-dir", str(tmp_path)]) == 0
    assert "mnist full" in capsys.readouterr().out


def test_importing_from_a_folder_that_is_not_there_is_exit_2(tmp_path, capsys):
    assert cli.run(["data", "import", str(tmp_path / "none"), "--data-dir", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("grader: there is no folder")


def test_a_fault_of_ours_in_one_submission_is_not_the_end_of_the_next(tmp_path, monkeypatch, capsys):
    real = pipeline.grade

    def grade(path, *arguments, **options):
        if path.name == "first":
            raise MemoryError
        return real(path, *arguments, **options)

    monkeypatch.setattr(pipeline, "grade", grade)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # where the details of the fault go
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    command = ["grade", str(tmp_path / "first"), str(tmp_path / "second"), "--questions", "q6.1"]
    assert cli.run([*command, "--out", str(tmp_path / "out")]) == 3
    assert not (tmp_path / "out" / "first" / "report.json").exists()
    # The second one holds no mytorch, and is told so in a report of its own.
    assert (tmp_path / "out" / "second" / "report.json").is_file()
    assert "there is not enough memory" in capsys.readouterr().err
