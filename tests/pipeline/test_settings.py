"What users may write in settings.ini, the environment and -p, and what they are told when it is wrong."

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlkit.core.errors import SettingsError
from mlkit.pipeline.notebooks import check_parameters, list_stages
from mlkit.pipeline.settings import (
    PARAMETER_LIMITS,
    Parameter,
    parse_parameters,
    parse_value,
    project_name,
    resolve_settings,
)

STAGES = {
    "collect": parse_parameters("""
run: str = ""  # folder
source: str = "a.csv"  # file
seed: int = 42  # sample
"""),
    "train": parse_parameters("""
run: str = ""  # folder
trials: int = 20  # number
seed: int = 42  # chance
minutes: float | None = None  # limit
tuning: bool = True  # search
"""),
}


def ini(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    file = folder / "settings.ini"
    file.write_text(text, encoding=encoding)
    return file


def problems(folder: Path, text: str, environ: dict[str, str] | None = None, *overrides: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        resolve_settings(STAGES, ini(folder, text), environ or {}, overrides)
    return str(caught.value).splitlines()


def parameter(type: str) -> Parameter:
    return Parameter("x", type, None, "")


# ---- the parameters cell ----


def test_a_parameters_cell_is_read_in_order_with_types_defaults_and_comments() -> None:
    cell = '#| export\n\ngoal: float = 1  # at least\nnames: str = (\n "a "\n "b")  # long\nn: int|None = -3'
    assert list(parse_parameters(cell).values()) == [
        Parameter("goal", "float", 1.0, "at least"),
        Parameter("names", "str", "a b", "long"),
        Parameter("n", "int | None", -3, ""),
    ]
    assert type(parse_parameters(cell)["goal"].default) is float


@pytest.mark.parametrize(
    "cell",
    [
        "n = 1",
        "n: int",
        "n: int = True",
        "n: bool = 1",
        "n: int = 1.0",
        "n: int = None",
        "n: list = []",
        "n: str = f()",
        "n: Literal = 'a'",
        "n: Literal[1] = 1",
        "n: Literal['a', 'b'] = 'c'",
        "n: Literal['a'] = None",
        "import os",
        "from typing import Literal, Any",
        "n: int = 1\nn: int = 2",
        "n: int = (",
        "x.n: int = 1",
    ],
)
def test_anything_but_typed_plain_lines_is_refused_with_its_line(cell: str) -> None:
    with pytest.raises(SettingsError, match=r"^parameters cell, line \d+: "):
        parse_parameters(cell)


@pytest.mark.parametrize(
    "below",
    [
        "n = 5",
        "n += 1",
        "n = m = 5",
        "mine = n * 2",
        "print(n)",
        "n",
        "import os",
        "for _ in range(3):\n    n = 7",
        "if n:\n    typed: int = 2",
        "# a note\n\nn = 5  # for today\nprint(n)",
    ],
)
def test_what_a_learner_types_below_the_declarations_ends_them(below: str) -> None:
    declared = "n: int = 1  # how many\nm: int = 2"
    assert parse_parameters(f"{declared}\n{below}") == parse_parameters(declared)


def test_a_declaration_below_other_code_is_named_and_not_lost() -> None:
    said = (
        "^parameters cell, line 3: 'm' is declared below the code of line 2; write all parameters above it$"
    )
    with pytest.raises(SettingsError, match=said):
        parse_parameters("n: int = 1\nprint(n)\nm: int = 2")


# ---- text and values ----


@given(
    st.one_of(
        st.tuples(st.just("int"), st.integers()),
        st.tuples(st.just("bool"), st.booleans()),
        st.tuples(st.just("float"), st.floats(allow_nan=False, allow_infinity=False)),
        st.tuples(st.just("str"), st.text()),
    )
)
def test_every_value_written_as_text_reads_back_as_itself(typed: tuple[str, object]) -> None:
    kind, value = typed
    read = parse_value(str(value), parameter(kind), "")
    assert read == value and type(read) is type(value)
    assert parse_value(str(None), parameter(kind + " | None"), "") is None


@pytest.mark.parametrize(
    "kind, texts",
    [
        ("int", ["", "1_000", "1e3", "30.0", "３０", "0x1f", "1 2", "true", "9" * 5000]),
        ("float", ["", "nan", "inf", "1e999", "1_0.5", "0,5", ".", "e5", "none"]),
        ("bool", ["", "2", "t", "y", "none", "yes no"]),
        ("int | None", ["nil", "null", "-"]),
    ],
)
def test_what_is_no_value_of_the_type_is_refused(kind: str, texts: list[str]) -> None:
    for text in texts:
        with pytest.raises(SettingsError, match="^here: must be "):
            parse_value(text, parameter(kind), "here")


@pytest.mark.parametrize(
    "kind, text, hint",
    [
        ("int", "30.0", "write 30"),
        ("int", "1e3", "write 1000"),
        ("int", "1_000", "write 1000"),
        ("float", "0,8", "write 0.8"),
        ("int", "30 # quick", "write 30"),
    ],
)
def test_a_near_miss_is_told_how_to_write_it(kind: str, text: str, hint: str) -> None:
    with pytest.raises(SettingsError, match=f"; {hint}$"):
        parse_value(text, parameter(kind), "here")


@pytest.mark.parametrize("text", ["true", "YES", " On ", "1"])
def test_truth_has_four_words_in_any_case(text: str) -> None:
    assert parse_value(text, parameter("bool"), "") is True


# ---- choices and limits ----


def test_a_literal_is_a_choice_of_words() -> None:
    cell = 'from typing import Literal\n\nx: Literal["a", "b"] | None = None  # which\ny: Literal["a"] = "a"'
    x, y = parse_parameters(cell).values()
    assert (x.choices, x.kind, x.optional, x.default) == (("a", "b"), "str", True, None)
    assert (y.choices, y.kind, y.optional, y.default) == (("a",), "str", False, "a")
    assert (parse_value("b", x), parse_value("none", x)) == ("b", None)
    with pytest.raises(SettingsError, match="^here: must be one of a, b, not 'B'; did you mean 'b'"):
        parse_value("B", x, "here")


def library_choices() -> dict[str, tuple[str, ...]]:
    "What the library knows, by parameter."
    from mlkit.deployment.targets import DEPLOYMENT_TARGETS
    from mlkit.features.column_options import OPTION_CHOICES
    from mlkit.models.calibration import CALIBRATION_METHODS
    from mlkit.models.families import EXTRA_FAMILIES, FAMILIES
    from mlkit.quality.splitting import SPLIT_METHODS
    from mlkit.task.metrics import METRICS
    from mlkit.task.task import TASK_TYPES

    options = {name: tuple(word for word in OPTION_CHOICES[name] if word != "ordinal") for name in
               ("impute", "scale", "encode")}  # fmt: skip
    return {
        "problem.task": ("auto", *TASK_TYPES),
        "problem.metric": ("auto", *METRICS),
        "validate.split": tuple(SPLIT_METHODS),
        **{f"prepare.{name}": words for name, words in options.items()},
        "train.models": (*FAMILIES, *EXTRA_FAMILIES),
        "evaluate.recalibrate": tuple(CALIBRATION_METHODS),
        "deploy.targets": tuple(DEPLOYMENT_TARGETS),
    }


def test_the_choices_of_settings_are_those_of_the_library() -> None:
    for name, words in library_choices().items():
        stage, _, parameter = name.partition(".")
        declared = list_stages()[stage].parameters[parameter]
        assert (declared.choices or declared.limit.known) == words, name  # type: ignore[union-attr]


def test_every_limit_is_of_a_parameter_and_holds_for_its_default() -> None:
    names = {f"{stage.name}.{name}" for stage in list_stages().values() for name in stage.parameters}
    names |= {name.partition(".")[2] for name in names}
    assert set(PARAMETER_LIMITS) <= names
    for stage in list_stages().values():
        check_parameters(stage.name, {name: each.default for name, each in stage.parameters.items()})


def test_every_number_has_a_limit_and_none_is_said_with_one_word() -> None:
    """A number below the lowest is told before anything runs; 0 lifts a limit, and nothing else does."""
    any_number = {"problem.goal", "explain.wanted"}
    for stage in list_stages().values():
        for name, each in stage.parameters.items():
            if each.kind not in ("int", "float") or f"{stage.name}.{name}" in any_number:
                continue
            assert each.limit is not None and each.limit.problem(-7), f"{stage.name}.{name}"
            lifted = bool(re.search(r"\b0: (all|no limit)\b", each.help)) and name != "curve_points"
            assert lifted == getattr(each.limit, "lifted", False), f"{stage.name}.{name}: {each.help}"
            assert not lifted or "(no limit)" in each.limit.problem(-7)


WRONG: dict[str, Any] = {
    "train.models": "liner",
    "train.choose": "bst",
    "deploy.targets": "heroku",
    "validate.split": "foo",
    "problem.metric": "mapes",
    "validate.test_size": 20.0,
    "evaluate.resamples": 10,
    "evaluate.confidence": 1.0,
    "explain.samples": 5000,
    "train.jobs": -1,
    "explain.columns": -5,
}


def test_all_wrong_choices_of_all_stages_come_in_one_message() -> None:
    known = {name: stage.parameters for name, stage in list_stages().items()}
    with pytest.raises(SettingsError) as caught:
        resolve_settings(known, None, {}, [f"{name}={value}" for name, value in WRONG.items()])
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"-p {name}" for name in WRONG]
    assert all(f"not '{value}'" in line for line, value in zip(lines, WRONG.values(), strict=True))
    hints = [line.split("did you mean ")[1] for line in lines if "did you mean" in line]
    assert hints == ["'linear'?", "'best'?", "'mape'?"]


def test_a_stage_holds_its_own_parameters_to_their_types_choices_and_limits() -> None:
    check_parameters(
        "train", {"trials": 3, "budget": 1, "models": "linear sklearn.svm.SVC", "other": object()}
    )
    with pytest.raises(SettingsError) as caught:
        check_parameters("train", {"trials": "3", "choose": "bst", "jobs": -1, "run": 3})
    assert str(caught.value).splitlines() == [
        "train.trials: must be int, not '3'",
        "train.choose: must be one of best, one_se, not 'bst'; did you mean 'best'?",
        "train.jobs: must be from 0 (no limit) to 1024, not '-1'",
    ]


def test_stock_papermill_reads_the_parameters_cells_and_sets_a_choice(tmp_path: Path) -> None:
    from papermill import inspect_notebook
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    for stage in list_stages().values():
        # Its regular expression knows no quotes and no `|` in a type; the others are all there.
        plain = {name for name, each in stage.parameters.items() if each.type.isidentifier()}
        assert set(inspect_notebook(stage.path)) == plain
    train = load_notebook_node(str(list_stages()["train"].path))
    cells = parameterize_notebook(train, {"choose": "one_se"}).cells
    assert any(
        'choose = "one_se"' in c.source for c in cells if "injected-parameters" in c.metadata.get("tags", [])
    )
    scope: dict[str, Any] = {}
    for cell in cells:
        if {"parameters", "injected-parameters"} & set(cell.metadata.get("tags", [])):
            exec(cell.source, scope)
    assert scope["choose"] == "one_se"


# ---- who wins ----

LEVELS = {"project": "[project]\nseed = 1", "section": "[train]\nseed = 2", "environment": "", "command": ""}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(used=st.sets(st.sampled_from(list(LEVELS))))
def test_the_strongest_place_wins_whatever_else_is_set(tmp_path: Path, used: set[str]) -> None:
    file = ini(tmp_path, "\n".join(LEVELS[level] for level in ("section", "project") if level in used))
    environ = {"MLKIT_TRAIN_SEED": "3"} if "environment" in used else {}
    values = resolve_settings(STAGES, file, environ, ["train.seed=4"] if "command" in used else [])
    strongest = max((level for level in LEVELS if level in used), key=list(LEVELS).index, default=None)
    assert values["train"]["seed"] == (list(LEVELS).index(strongest) + 1 if strongest else 42)
    assert values["collect"]["seed"] == (1 if "project" in used else 42)


def test_a_stage_beats_the_project_on_the_command_line_too_and_the_last_word_counts() -> None:
    values = resolve_settings(STAGES, None, {}, ["train.seed=1", "train.seed=2", "project.seed=9"])
    assert (values["train"]["seed"], values["collect"]["seed"]) == (2, 9)


def test_everything_is_returned_but_the_run_folder() -> None:
    assert resolve_settings(STAGES, None, {}, []) == {
        "collect": {"source": "a.csv", "seed": 42},
        "train": {"trials": 20, "seed": 42, "minutes": None, "tuning": True},
    }


# ---- what the file may hold ----


@pytest.mark.parametrize(
    "written, read",
    [
        ("a%b", "a%b"),
        ("a:b=c", "a:b=c"),
        ("#", "#"),
        ("a#b", "a#b"),
        ('"Order #5"', "Order #5"),
        ('" "', " "),
        ("''", ""),
        ('"a" "b"', '"a" "b"'),
        ("it's", "it's"),
        ('"', '"'),
        ("顧客.csv", "顧客.csv"),
    ],
)
def test_text_from_the_file_is_kept_but_for_quotes_around_it(tmp_path: Path, written: str, read: str) -> None:
    file = ini(tmp_path, f"[collect]\nsource = {written}\n")
    assert resolve_settings(STAGES, file, {}, [])["collect"]["source"] == read


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_indented_keys_and_a_byte_order_mark_do_no_harm(tmp_path: Path, encoding: str) -> None:
    text = "[project]\r\n# a note\r\n  name = x\r\n  seed = 7\r\n\r\n[train]\r\n  minutes =\r\n"
    file = ini(tmp_path, text, encoding)
    values = resolve_settings(STAGES, file, {"MLKIT_TRAIN_MINUTES": "2"}, [])
    assert (values["train"]["seed"], values["train"]["minutes"]) == (7, 2.0)


@pytest.mark.parametrize(
    "text, problem",
    [
        ("[train]\nseed = 1\nseed = 2", "settings.ini line 3: [train] sets 'seed' twice; keep one"),
        ("[train]\n[train]", "settings.ini line 2: section [train] is there twice; join the two"),
        ("[train]\nseed 1", "settings.ini line 2: 'seed 1' is no [section], key = value or # comment"),
        ("seed = 1", "settings.ini line 1: 'seed = 1' belongs to no section; put it below one"),
        (
            "[train]\nseed = 1\n  trials = 2",
            "settings.ini [train] seed: a value has one line, but 'trials = 2' below it is indented",
        ),
        (
            "[train]\nseed = 1 ; x",
            (
                "settings.ini [train] seed: is '1 ; x': "
                "move the comment to a line of its own, or put quotes around the value"
            ),
        ),
        (
            "[DEFAULT]\nseed = 1",
            "settings.ini [DEFAULT]: unknown stage 'DEFAULT'; known are collect, train, project",
        ),
        ("[tran]\nseed = 1\ntrials = 2", "settings.ini [tran]: unknown stage 'tran'; did you mean 'train'?"),
        ("[tran]", "settings.ini [tran]: unknown stage 'tran'; did you mean 'train'?"),
        (
            "[train]\nTrials = 2",
            "settings.ini [train] Trials: unknown parameter 'Trials'; did you mean 'trials'?",
        ),
        (
            "[train]\nsource = b",
            "settings.ini [train] source: unknown parameter 'source'; it belongs to collect",
        ),
        (
            "[project]\nnmae = b",
            "settings.ini [project] nmae: unknown parameter 'nmae'; did you mean 'name'?",
        ),
        (
            "[train]\nrun = b",
            "settings.ini [train] run: cannot be set; the folder follows [project] name or --out",
        ),
        (
            "[project]\nrun = b",
            "settings.ini [project] run: cannot be set; the folder follows [project] name or --out",
        ),
        (
            "[project]\nname = ../b",
            "settings.ini [project] name: '../b' is no name for a folder; use letters, digits, '-' and '_'",
        ),
        (
            "[project]\nseed = b",
            "settings.ini [project] seed: must be a whole number in digits, such as 30, not 'b'",
        ),
    ],
)
def test_a_mistake_in_the_file_is_one_line_that_says_where(tmp_path: Path, text: str, problem: str) -> None:
    assert problems(tmp_path, text) == [problem]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="gone.ini: cannot be read"):
        resolve_settings(STAGES, tmp_path / "gone.ini", {}, [])
    with pytest.raises(SettingsError, match="cannot be read"):
        project_name(tmp_path)
    japanese = ini(tmp_path, "[project]\nname = 顧客", "cp932")
    with pytest.raises(SettingsError, match="is not UTF-8"):
        project_name(japanese)


# ---- the environment and -p ----


def test_a_variable_is_ours_only_when_its_second_word_is_a_stage(tmp_path: Path) -> None:
    foreign = ("MLKIT_HOME", "MLKIT_TRAINING_SEED", "TRAIN_SEED", "MLKIT_TRAIN", "mlkit_train_seed")
    assert resolve_settings(STAGES, None, dict.fromkeys(foreign, "x"), []) == resolve_settings(
        STAGES, None, {}, []
    )
    assert problems(tmp_path, "", {"MLKIT_TRAIN_TRAILS": "3"}) == [
        "environment variable MLKIT_TRAIN_TRAILS: unknown parameter 'trails'; did you mean 'trials'?"
    ]


def test_the_longest_stage_name_owns_a_variable() -> None:
    stages = {"train": STAGES["train"], "train_seed": parse_parameters("x: int = 0  # any")}
    values = resolve_settings(stages, None, {"MLKIT_TRAIN_SEED_X": "5", "MLKIT_TRAIN_SEED": "6"}, [])
    assert (values["train_seed"]["x"], values["train"]["seed"]) == (5, 6)


@pytest.mark.parametrize("text", ["train.seed", "seed=1", "=1", "", ".seed=1", "train.=1", "project.name=x"])
def test_an_override_needs_a_stage_a_parameter_and_a_value(tmp_path: Path, text: str) -> None:
    (problem,) = problems(tmp_path, "", None, text)
    assert problem.startswith(f"-p {text}: ")


def test_an_override_keeps_all_that_follows_the_first_equals_sign() -> None:
    assert (
        resolve_settings(STAGES, None, {}, [" collect.source =a=b # c "])["collect"]["source"] == "a=b # c "
    )


def test_all_problems_come_together_each_on_its_line(tmp_path: Path) -> None:
    file, environ = "[trian]\nx = 1\n[train]\ntrials = many", {"MLKIT_TRAIN_SEEDS": "1"}
    lines = problems(tmp_path, file, environ, "collect.sorce=x", "oops")
    assert len(lines) == 5 and len(set(lines)) == 5
    assert len(problems(tmp_path, "[train]\nseed\ntrials", None, "oops")) == 3


def test_the_name_of_the_project(tmp_path: Path) -> None:
    assert project_name(None) is None
    assert project_name(ini(tmp_path, "[train]\nseed = 1")) is None
    assert project_name(ini(tmp_path, '[project]\nname = "顧客 2026-01"')) == "顧客 2026-01"


def test_settings_need_the_standard_library_only() -> None:
    code = "import sys, mlkit.pipeline.settings; print({'numpy', 'pandas', 'sklearn'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "set()\n"


HARDER: dict[str, tuple[str, str]] = {  # a wrong value, and what the message must say
    "train.models": ("xgbost", "did you mean 'xgboost'"),
    "collect.encoding": ("utf9", "encoding"),
    "collect.delimiter": ("abc", "one character"),
    "train.cluster": ("somewhere", "tcp://"),
    "evaluate.threshold": ("2", "probability"),
    "evaluate.curve_points": ("1", "0, or 2"),
    "explain.rows": ("first", "row numbers"),
    "package.rows": ("0", "1 or more"),
    "prepare.max_categories": ("-3", "1 or more"),
}


def resolved(*overrides: str) -> dict[str, dict[str, Any]]:
    known = {name: stage.parameters for name, stage in list_stages().items()}
    return resolve_settings(known, None, {}, overrides)


def test_forms_of_texts_are_checked_with_the_rest() -> None:
    with pytest.raises(SettingsError) as caught:
        resolved(*(f"{name}={value}" for name, (value, _) in HARDER.items()))
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"-p {name}" for name in HARDER]
    assert all(hint in line for line, (_, hint) in zip(lines, HARDER.values(), strict=True))
    fine = {
        "collect.encoding": "cp932",
        "collect.delimiter": ";",
        "train.cluster": "tcp://10.0.0.1:8786",
        "evaluate.threshold": "0.3",
        "evaluate.curve_points": "0",
        "explain.rows": "1 20 3",
    }
    resolved(*(f"{name}={value}" for name, value in fine.items()))
    resolved("collect.delimiter=tab", "train.cluster=")


def test_what_contradicts_itself_is_told_before_anything_runs() -> None:
    with pytest.raises(SettingsError) as caught:
        resolved("deploy.least=9", "deploy.most=2", "problem.task=regression", "problem.metric=f1")
    assert "deploy.most" in str(caught.value) and "f1" in str(caught.value)


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        pytest.param(
            "catboost.CatBoostClassifier",
            "pip install catboost",
            marks=pytest.mark.skipif(find_spec("catboost") is not None, reason="catboost is installed"),
        ),
        ("catbost.CatBoostClassifier", "did you mean 'catboost'"),
        ("sklearn.svn.SVC", "sklearn.svm"),
        ("sklearn.svm.SVX", "did you mean 'SVR'"),
        ("nowhere_at_all.Model", "install nowhere_at_all"),
    ],
)
def test_a_model_that_cannot_be_imported_is_told_before_anything_runs(path: str, hint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        resolved(f"train.models=linear {path}")
    assert hint in str(caught.value)


def test_an_own_model_beside_the_settings_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "from sklearn.linear_model import LogisticRegression\nclass Own(LogisticRegression):\n    pass\n"
    (tmp_path / "own_model_beside.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert resolved("train.models=own_model_beside.Own")["train"]["models"] == "own_model_beside.Own"
