"""The template asks for exactly what the reference provides, and the handout for what the rubric pays."""

import ast
import importlib.util
import re
import sys
import tomllib
from decimal import Decimal
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
REFERENCE, TEMPLATE = ROOT / "reference", ROOT / "student_template"
RUBRIC = ROOT / "grader" / "assignments" / "hw1" / "rubric.toml"
NOTEBOOK = TEMPLATE / "hw1_s26_p4_5_6_starter.ipynb"

LAYOUT = {
    "theory.py",
    "mytorch/__init__.py",
    "mytorch/utils.py",
    "mytorch/nn/__init__.py",
    "mytorch/nn/module.py",
    "mytorch/nn/sequential.py",
    "mytorch/nn/optim.py",
    "mytorch/nn/modules/__init__.py",
    "mytorch/nn/modules/linear.py",
    "mytorch/nn/modules/activation.py",
    "mytorch/nn/modules/loss.py",
}
WRITTEN_ELSEWHERE = {
    "Module.forward",
    "Module.backward",
}  # each layer brings its own; the base raises for good

# What a question leaves behind in the notebook, by name.
NAMES = {
    "q4.1": ["train_dataset", "val_dataset", "test_dataset", "train_loader", "val_loader", "test_loader"],
    "q4.2": ["BloodMLP", "model", "train_losses", "val_losses", "train_accs", "val_accs"],
    "q4.3": ["all_preds", "all_labels", "accuracy", "cm", "lowest_recall_class"],
    "q4.4": ["confident_correct", "confident_incorrect", "uncertain_correct", "uncertain_incorrect"],
    "q5.1": ["initialize_weights"],
    "q5.2": ["InitMLP", "stats"],
    "q5.3": ["training_losses", "final_accuracies"],
    "q5.4": ["stats_relu", "training_losses_relu", "final_accuracies_relu"],
    "q6.7": ["model", "losses", "preds_test", "accuracy"],
}


def python_files(folder):
    return {path.relative_to(folder).as_posix() for path in (folder / "mytorch").rglob("*.py")} | {
        "theory.py"
    }


def tree(folder, file):
    return ast.parse((folder / file).read_text(encoding="utf-8"))


def is_public(name):
    return not name.startswith("_") or name == "__init__"


def functions(module):
    """Return the public functions and methods of a module's tree: qualified name -> node."""
    found = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
    for owner in classes(module).values():
        methods = [node for node in owner.body if isinstance(node, ast.FunctionDef)]
        found |= {f"{owner.name}.{node.name}": node for node in methods}
    return {name: node for name, node in found.items() if is_public(name.rpartition(".")[2])}


def classes(module):
    return {node.name: node for node in module.body if isinstance(node, ast.ClassDef)}


def signature(function, *, annotated):
    """Return everything a caller may rely on: names, order, kinds, defaults, and annotations if asked for."""
    arguments = ast.parse(ast.unparse(function)).body[0].args
    result = function.returns if annotated else None
    if not annotated:
        for node in ast.walk(arguments):
            if isinstance(node, ast.arg):
                node.annotation = None
    return ast.unparse(arguments), ast.unparse(result) if result else None


def is_annotated(function):
    arguments = [node for node in ast.walk(function.args) if isinstance(node, ast.arg)]
    return any(node.annotation for node in arguments) or function.returns is not None


def statements(function):
    """Return the body without its docstring."""
    return function.body[1:] if ast.get_docstring(function) else function.body


# Template and reference


@pytest.mark.parametrize("folder", [REFERENCE, TEMPLATE], ids=lambda folder: folder.name)
def test_the_modules_are_those_of_the_homework(folder):
    assert python_files(folder) == LAYOUT


@pytest.mark.parametrize("file", sorted(LAYOUT))
def test_classes_have_the_same_names_and_bases(file):
    bases = [
        {
            name: [ast.unparse(base) for base in node.bases]
            for name, node in classes(tree(folder, file)).items()
        }
        for folder in (TEMPLATE, REFERENCE)
    ]
    assert bases[0] == bases[1]


@pytest.mark.parametrize("file", sorted(LAYOUT))
def test_functions_have_the_same_names_and_signatures(file):
    template, reference = functions(tree(TEMPLATE, file)), functions(tree(REFERENCE, file))
    assert template.keys() == reference.keys()
    for name, stub in template.items():
        annotated = is_annotated(stub) and is_annotated(reference[name])
        assert signature(stub, annotated=annotated) == signature(reference[name], annotated=annotated), name


@pytest.mark.parametrize("file", sorted(file for file in LAYOUT if file.endswith("__init__.py")))
def test_packages_export_the_same_names(file):
    template, reference = (
        [ast.unparse(node) for node in tree(folder, file).body if not isinstance(node, ast.Expr)]
        for folder in (TEMPLATE, REFERENCE)
    )
    assert template == reference


@pytest.mark.parametrize("file", sorted(LAYOUT))
def test_the_reference_imports_itself_relatively_and_otherwise_only_numpy(file):
    for node in ast.walk(tree(REFERENCE, file)):
        if isinstance(node, ast.Import):
            assert [alias.name for alias in node.names] == ["numpy"]
        if isinstance(node, ast.ImportFrom):
            assert node.level > 0


@pytest.mark.parametrize("file", sorted(LAYOUT))
def test_every_stub_says_what_to_do_and_raises(file):
    for name, stub in functions(tree(TEMPLATE, file)).items():
        (statement,) = statements(stub)
        assert ast.get_docstring(stub), f"{name} has no docstring"
        assert isinstance(statement, ast.Raise), name
        assert statement.exc.func.id == "NotImplementedError", name
        if name not in WRITTEN_ELSEWHERE:
            assert re.fullmatch(rf"TODO: {name} \((Q\d\.\d(, )?)+\)", statement.exc.args[0].value), name


def test_the_template_holds_nothing_but_stubs():
    allowed = (ast.Expr, ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    for file in LAYOUT:
        for node in tree(TEMPLATE, file).body:
            is_export = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
            assert is_export or isinstance(node, allowed), f"{file}:{node.lineno}"
            if isinstance(node, ast.ClassDef):
                assert all(isinstance(part, ast.Expr | ast.FunctionDef) for part in node.body), node.name


def test_the_template_imports_and_none_of_its_layers_can_be_made():
    path = TEMPLATE / "mytorch" / "__init__.py"
    spec = importlib.util.spec_from_file_location("template_mytorch", path)
    package = importlib.util.module_from_spec(spec)
    sys.modules["template_mytorch"] = package
    spec.loader.exec_module(package)
    for name, arguments in {"Linear": (3, 2), "ReLU": (), "Tanh": (), "Sigmoid": (), "Module": ()}.items():
        with pytest.raises(NotImplementedError):
            getattr(package.nn, name)(*arguments)


# Handout and notebook


HEADING = re.compile(
    r"^#{2,3} Q(?P<number>\d\.\d) .*?"
    r"\((?P<points>\d+) points?(?P<all_written>, written)?(, of which (?P<written>[\d.]+) written)?\)",
    re.MULTILINE,
)


def stated_points(text):
    """Return question -> (points, written part) as the headings of a text state them."""
    found = {}
    for heading in HEADING.finditer(text):
        points = Decimal(heading["points"])
        written = points if heading["all_written"] else Decimal(heading["written"] or 0)
        assert f"q{heading['number']}" not in found, f"two headings for q{heading['number']}"
        found[f"q{heading['number']}"] = (points, written)
    return found


def sections(text):
    """Return question -> the text from its heading to the next heading."""
    parts = re.split(r"^#+ (?:Q(\d\.\d)|.*$)", text, flags=re.MULTILINE)
    return {f"q{number}": body for number, body in zip(parts[1::2], parts[2::2], strict=True) if number}


@pytest.fixture(scope="module")
def handout():
    return (TEMPLATE / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(NOTEBOOK, as_version=nbformat.NO_CONVERT)


@pytest.fixture(scope="module")
def rubric():
    """Return question -> (points, written part) of the rubric."""
    questions = tomllib.loads(RUBRIC.read_text(encoding="utf-8"), parse_float=Decimal)["question"]
    return {
        question["id"]: (Decimal(question["points"]), Decimal(sum(question.get("written", {}).values())))
        for question in questions
    }


def cells_of(notebook, question):
    return [cell for cell in notebook.cells if cell.metadata.get("question") == question]


def test_the_handout_states_every_question_with_the_points_of_the_rubric(handout, rubric):
    assert stated_points(handout) == rubric


def test_the_points_of_the_handout_sum_to_a_hundred(handout):
    assert sum(points for points, _ in stated_points(handout).values()) == 100


def test_the_table_of_problems_sums_the_points_of_their_questions(handout):
    rows = re.findall(r"^\| (\d) \| .* \| Q.* \| (\d+) \|$", handout, flags=re.MULTILINE)
    for problem, points in rows:
        stated = [value for question, (value, _) in stated_points(handout).items() if question[1] == problem]
        assert sum(stated) == Decimal(points), f"Problem {problem}"
    assert [problem for problem, _ in rows] == list("123456")


def test_the_notebook_is_valid_and_unused(notebook):
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_the_notebook_heads_every_question_with_the_points_of_the_handout(notebook, handout):
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert stated_points(text) == stated_points(handout)


def test_every_cell_below_a_question_carries_its_id(notebook):
    current = None
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("#"):
            heading = re.match(r"## Q(\d\.\d) ", cell.source)
            current = f"q{heading[1]}" if heading else None
        assert cell.metadata.get("question") == current, cell.id


def test_every_written_part_has_a_cell_to_answer_in_and_every_coded_part_a_code_cell(notebook, handout):
    for question, (points, written) in stated_points(handout).items():
        cells = cells_of(notebook, question)
        assert any(cell.metadata.get("written") for cell in cells) == (written > 0), question
        assert any(cell.cell_type == "code" for cell in cells) == (points > written), question


def test_every_written_part_of_the_rubric_has_one_cell_that_names_it(notebook):
    questions = tomllib.loads(RUBRIC.read_text(encoding="utf-8"))["question"]
    named = [
        (cell.metadata.question, cell.metadata.part) for cell in notebook.cells if "part" in cell.metadata
    ]
    assert named == [(each["id"], part) for each in questions for part in each.get("written", {})]


@pytest.mark.parametrize("question", sorted(NAMES))
def test_the_names_of_a_question_stand_in_its_cells_and_in_the_handout(notebook, handout, question):
    text = "\n".join(cell.source for cell in cells_of(notebook, question) if cell.cell_type == "markdown")
    code = "\n".join(cell.source for cell in cells_of(notebook, question) if cell.cell_type == "code")
    for name in NAMES[question]:
        assert re.search(rf"`{name}\b", text), f"{name} is not listed in the notebook"
        assert re.search(rf"`{name}\b", sections(handout)[question]), f"{name} is not listed in the handout"
        assert re.search(rf"^(class |def )?{name}\b", code, flags=re.MULTILINE), f"{name} has no stub"


def test_the_code_cells_of_the_notebook_are_python(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            ast.parse(cell.source)


def test_the_handout_names_every_function_of_the_theory_and_every_class_of_mytorch(handout):
    for file in LAYOUT:
        module = tree(REFERENCE, file)
        public = [
            node.name for node in module.body if isinstance(node, ast.FunctionDef) and is_public(node.name)
        ]
        for name in [*public, *classes(module)]:
            assert f"`{name}" in handout, f"{name} of {file} is not in the handout"
