"""Canvas' download: flat files whose names tell who, late or not, and which attempt."""

from __future__ import annotations

from grader.cohort.handed_in.discovery import discover
from tests.unit.cohort.folders import tree


def by_label(folder):
    found = discover(folder)
    assert found.layout == "canvas"
    return {each.label: each for each in found.entries}


def test_a_name_tells_the_user_and_whether_it_was_late(tmp_path):
    entries = by_label(tree(tmp_path, "berganna_12345_67890_hw1.zip", "ekdora_LATE_222_67891_my_hw_1.zip"))
    anna, dora = entries["berganna-12345"], entries["ekdora-222"]
    assert [(each.name, each.lms_id) for each in (*anna.students, *dora.students)] == [
        ("berganna", "12345"),
        ("ekdora", "222"),
    ]
    assert (anna.is_late, dora.is_late) == (False, True)
    assert (anna.problem, dora.problem) == (None, None)
    assert anna.submitted_at is None


def test_a_name_may_hold_letters_of_any_script_and_underscores(tmp_path):
    entries = by_label(tree(tmp_path, "李伟_5_6_hw.zip", "o_brien_LATE_7_8_late_9_9_x.zip"))
    assert {each.students[0].name: (each.students[0].lms_id, each.is_late) for each in entries.values()} == {
        "李伟": ("5", False),
        "o_brien": ("7", True),
    }


def test_of_files_that_canvas_numbered_the_last_one_counts(tmp_path):
    names = ("berganna_1_10_hw1.zip", "berganna_1_11_hw1-1.zip", "berganna_1_15_hw1-12.zip")
    (entry,) = by_label(tree(tmp_path, *names)).values()
    assert entry.path.name == "berganna_1_15_hw1-12.zip"
    assert entry.attempt == 13
    assert entry.notes == ("only 'hw1-12.zip' is graded; not looked at: 'hw1.zip' and 1 more",)


def test_a_dash_and_a_number_alone_say_nothing_of_attempts(tmp_path):
    (entry,) = by_label(tree(tmp_path, "berganna_1_10_homework-1.zip")).values()
    assert (entry.attempt, entry.problem) == (1, None)


def test_several_files_of_a_student_without_one_zip_are_a_row_with_its_reason(tmp_path):
    tree(
        tmp_path,
        *("a_1_10_linear.py", "a_1_11_notebook.ipynb"),
        *("b_2_12_one.zip", "b_2_13_two.zip"),
        *("c_3_14_essay.pdf", "d_4_text.html", "e_LATE_5_link.html"),
    )
    problems = {label: each.problem for label, each in by_label(tmp_path).items()}
    ask = "ask for one zip of the homework folder"
    typed = "a text or a link was typed into Canvas, which is not graded; nothing else was handed in"
    assert problems == {
        "a-1": f"there are 2 files, 'linear.py' among them, and no zip; {ask}",
        "b-2": "there are 2 zip files, 'one.zip' and 'two.zip'; keep one",
        "c-3": f"'essay.pdf' is not a zip, and nothing else was handed in; {ask}",
        "d-4": typed,
        "e-5": typed,
    }


def test_with_anonymous_marking_nobody_is_named(tmp_path):
    entries = by_label(tree(tmp_path, "anon_Xy7zQ_10_hw1.zip", "LATE_anon_Ab3dE_11_hw1.zip"))
    assert {label: (each.is_late, each.students[0].name) for label, each in entries.items()} == {
        "anon_Xy7zQ": (False, None),
        "anon_Ab3dE": (True, None),
    }


def test_one_name_by_chance_does_not_make_a_folder_canvas_download(tmp_path):
    assert discover(tree(tmp_path, "anna.zip", "bob_2026_1_final.zip")).layout == "plain"


def test_a_link_with_canvas_name_is_not_followed(tmp_path):
    tree(tmp_path / "class", "a_1_10_hw.zip", "c_3_12_hw.zip")
    tree(tmp_path, "outside.zip")
    (tmp_path / "class" / "b_2_11_hw.zip").symlink_to(tmp_path / "outside.zip")
    assert "is a link, which is not followed" in by_label(tmp_path / "class")["b-2"].problem
