import numpy as np
import pandas as pd
import pytest

from mlkit.core.errors import SettingsError
from mlkit.evaluation.slices import (
    date_columns,
    describe_fairness_gaps,
    describe_slices,
    fairness_gaps,
    parse_sensitive_columns,
    score_over_time,
    score_slices,
    show_fairness_gaps,
    show_score_over_time,
    show_slices,
    slice_groups,
)
from tests.judging import BINARY, TARGETS, drawn, example, task_of, two


def frame_of(rows, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "city": rng.choice(["Kobe", "Oslo", "Lima", ""], rows),
            "age": rng.normal(40, 10, rows),
            "joined": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), unit="D"),
            "member": rng.choice([0.0, 1.0, np.nan], rows),
            "name": [f"name {row}" for row in range(rows)],
            "same": 1.0,
            "nothing": np.nan,
            "rare": ["x"] * 20 + ["y"] * (rows - 20),
        }
    )


def test_groups_of_each_kind_of_column():
    groups = {name: slice_groups(column) for name, column in frame_of(900).items()}
    assert [name for name, group in groups.items() if group is None] == ["name", "same", "nothing"]
    assert set(groups["city"]) == {"Kobe", "Oslo", "Lima", "missing"}
    assert set(groups["member"]) == {"0", "1", "missing"}
    assert groups["age"].value_counts().tolist() == [300] * 3
    assert groups["joined"].nunique() == 3 and any(name.startswith("up to 202") for name in groups["joined"])


@pytest.mark.parametrize("kind", TARGETS)
def test_a_model_that_is_right_rarely_raises_an_alarm(kind):
    task = task_of(kind)
    alarms = [
        score_slices(task, frame_of(300, seed), *example(kind, 300, seed), draws=40).by_chance[0] <= 0.05
        for seed in range(20)
    ]
    assert sum(alarms) <= 4


@pytest.mark.parametrize("kind", TARGETS)
def test_where_the_model_fails_is_found(kind):
    task, frame, (truth, output) = task_of(kind), frame_of(900), example(kind, 900)
    oslo = (frame.city == "Oslo").to_numpy()
    output[oslo] = np.random.default_rng(5).permutation(output[oslo])
    table = score_slices(task, frame, truth, output)
    assert table.loc[0, ["column", "group"]].tolist() == ["city", "Oslo"] and table.by_chance[0] <= 0.05
    assert abs(table.expected[0] - table.score[0]) > 0.1
    assert "`city` Oslo" in describe_slices(task, table) and "weaker than it claims" in describe_slices(
        task, table
    )
    assert (table.rows >= 30).all() and "x" not in set(table.group)


def test_a_model_that_is_too_sure_of_itself_everywhere_raises_no_alarm_about_groups():
    alarms = []
    for seed in range(20):
        truth, output = example("binary", 300, seed)
        odds = np.exp(8 * (np.log(output[:, 1]) - np.log(output[:, 0])))
        table = score_slices(BINARY, frame_of(300, seed), truth, two(odds / (1 + odds)), draws=40)
        alarms.append(table.by_chance[0] <= 0.05)
    assert sum(alarms) <= 4


def test_a_group_that_is_harder_to_tell_apart_is_no_failure():
    rng = np.random.default_rng(0)
    easy = rng.random(2000) < 0.5
    output = two(np.where(easy, rng.choice([0.02, 0.98], 2000), rng.uniform(0.4, 0.6, 2000)))
    frame = pd.DataFrame({"kind": np.where(easy, "easy", "hard")})
    table = score_slices(BINARY, frame, drawn(output[:, 1], rng), output)
    hard = table[table.group == "hard"].iloc[0]
    assert hard.score < 0.65 and hard.by_chance > 0.05


@pytest.mark.filterwarnings("error")
def test_no_group_is_large_enough():
    table = score_slices(BINARY, frame_of(25), *example("binary", 25))
    assert table.empty and "No group has 30 rows" in describe_slices(BINARY, table)
    assert len(show_slices(BINARY, table)) == 1


@pytest.mark.filterwarnings("error")
def test_groups_without_one_of_the_classes_are_left_out():
    frame = pd.DataFrame({"side": ["left"] * 40 + ["right"] * 40})
    truth, output = np.repeat([0, 1], 40), two(np.linspace(0.1, 0.9, 80))
    assert score_slices(BINARY, frame, truth, output).empty


# ---------------------------------------- time
@pytest.mark.parametrize("kind", TARGETS)
def test_a_model_that_stays_right_rarely_seems_to_get_old(kind):
    dates = frame_of(400)["joined"]
    falls = [
        score_over_time(task_of(kind), dates, *example(kind, 400, seed), draws=60)[1] for seed in range(20)
    ]
    assert sum(chance <= 0.05 for chance in falls) <= 4


@pytest.mark.parametrize("kind", TARGETS)
def test_a_model_that_gets_old_is_named(kind):
    rng, (truth, output) = np.random.default_rng(1), example(kind, 1200)
    dates = pd.Series(pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(1200), unit="h"))
    faded = np.flatnonzero(rng.random(1200) < np.linspace(0, 1, 1200))
    output[faded] = output[rng.permutation(faded)]
    table, chance = score_over_time(task_of(kind), dates, truth, output)
    assert chance < 0.05 and len(table) == 8 and table.rows.sum() == 1200
    assert (table.low <= table.score).all() and table["from"].is_monotonic_increasing


@pytest.mark.filterwarnings("error")
def test_without_dates_or_with_few_rows_nothing_is_said_about_time():
    frame = frame_of(60)
    assert (
        date_columns(frame) == ["joined"]
        and score_over_time(BINARY, frame.joined, *example("binary", 60))[0].empty
    )
    assert len(show_score_over_time(BINARY, frame[["age"]], *example("binary", 60))) == 1


# ---------------------------------------- sensitive columns
@pytest.mark.parametrize("kind", TARGETS)
def test_no_gap_is_named_where_there_is_none(kind):
    alarms = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        frame = pd.DataFrame({"a": rng.choice(list("xyz"), 400), "b": rng.choice(["p", "q"], 400)})
        alarms.append(fairness_gaps(task_of(kind), frame, *example(kind, 400, seed)).named.any())
    assert sum(alarms) <= 6


def test_gaps_are_named_with_their_interval():
    truth, output = example("binary", 1200)
    one = np.arange(1200) % 3 == 0
    output = two(np.where(one, output[:, 1] * 0.5, output[:, 1]))
    table = fairness_gaps(BINARY, pd.DataFrame({"sex": np.where(one, "f", "m")}), truth, output, 0.5)
    assert table.named.all() and set(table.group) == {"f"} and len(table) == 3
    picked = table[table.measure == "selected"].iloc[0]
    assert picked.value == 0 and picked.low <= picked.value - picked.others <= picked.high < 0
    assert "not treated alike" in describe_fairness_gaps(table) and len(show_fairness_gaps(table)) == 2


def test_errors_on_numbers_are_compared_between_groups():
    truth, output = example("regression", 900)
    one = np.arange(900) % 2 == 0
    table = fairness_gaps(
        task_of("regression"), pd.DataFrame({"g": np.where(one, "f", "m")}), truth + one, output
    )
    assert table[table.measure == "true less predicted"].named.all()


def test_sensitive_columns_must_be_there():
    frame = pd.DataFrame({"sex ": ["f"], "age": [3]})
    assert (
        parse_sensitive_columns("sex | age", frame) == ["sex ", "age"]
        and parse_sensitive_columns("", frame) == []
    )
    with pytest.raises(
        SettingsError, match="evaluate.sensitive names 'sax', which is no column; did you mean 'sex'"
    ):
        parse_sensitive_columns("sax", frame)
    assert "nothing can be compared" in describe_fairness_gaps(
        fairness_gaps(BINARY, pd.DataFrame(index=range(30)), *example("binary", 30))
    )
