"""Settings that name columns are held against the table's header before anything runs, all in one message."""

import json
import re
import sqlite3
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from mlkit.cli.main import collect_parameters, precheck_source
from mlkit.core.errors import MLKitError, SettingsError
from mlkit.pipeline.named_columns import COLUMN_PARAMETERS
from mlkit.pipeline.notebooks import list_stages, run_in_process
from mlkit.pipeline.runner import run_pipeline

WRONG = [
    "validate.time_column=dya",
    "validate.group_column=shopp",
    "validate.known=price | sizze",
    "prepare.leave_out=shop|nonsense",
    "prepare.combine=price / size | pricee * size",
    "prepare.columns=prise: missing -1 | size: scale=none",
    "evaluate.sensitive=shp",
    "explain.fixed=shop | pricce",
    "score.keep=sop",
    "protect.subject=shpo",
]
TOLD = [
    "no column 'solld' in the table; did you mean 'sold'?",
    "validate.time_column: no column 'dya' in the table; did you mean 'day'?",
    "validate.group_column: no column 'shopp' in the table; did you mean 'shop'?",
    "validate.known: no column 'sizze' in the table; did you mean 'size'?",
    "prepare.leave_out: no column 'nonsense' in the table; it has day, shop, price, size, sold",
    "prepare.combine: no column 'pricee' in the table; did you mean 'price'?",
    "prepare.columns: no column 'prise' in the table; did you mean 'price'?",
    "evaluate.sensitive: no column 'shp' in the table; did you mean 'shop'?",
    "explain.fixed: no column 'pricce' in the table; did you mean 'price'?",
    "score.keep: no column 'sop' in the table; did you mean 'shop'?",
    "protect.subject: no column 'shpo' in the table; did you mean 'shop'?",
]
RIGHT = [
    "validate.time_column=day",
    "validate.group_column= shop ",
    "validate.known=price | size",
    "prepare.leave_out=shop",
    "prepare.combine=price / size | size - price",
    "prepare.columns=price: missing -1 | size: scale=none",
    "evaluate.sensitive=shop",
    "explain.fixed=shop|price",
    "score.keep=shop",
    "protect.subject=shop",
]


def sales(rows: int = 60) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "day": pd.date_range("2026-01-01", periods=rows).astype(str),
            "shop": [f"S{row % 7}" for row in range(rows)],
            "price": [1.5 + row % 5 for row in range(rows)],
            "size": [row % 9 for row in range(rows)],
            "sold": [row % 2 for row in range(rows)],
        }
    )


def write(folder: Path, name: str) -> str:
    "The table in a file of this kind; gives the source."
    path, frame = folder / name, sales()
    kind = path.suffix
    if name.startswith("many"):
        path.mkdir()
        frame[:30].to_csv(path / "a.csv", index=False)
        frame[30:].to_csv(path / "b.csv", index=False)
    elif name == "titled.csv":
        path.write_text("Sales of the year\n\n" + frame.to_csv(index=False))
    elif name == "japanese.csv":
        path.write_bytes(frame.rename(columns=str).to_csv(index=False, sep=";").encode("utf-16"))
    elif kind == ".csv":
        frame.to_csv(path, index=False)
    elif kind == ".parquet":
        frame.to_parquet(path)
    elif kind == ".xlsx":
        frame.to_excel(path, index=False)
    elif kind == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif kind == ".json":
        path.write_text(json.dumps({"result": {"rows": frame.to_dict("records")}}))
    elif kind == ".gz":
        frame.to_csv(path, index=False)
    elif kind == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.csv", frame.to_csv(index=False))
    elif kind == ".db":
        with sqlite3.connect(path) as base:
            frame.to_sql("sales", base, index=False)
        return f"sqlite:///{path}"
    return str(path)


KINDS = (
    "t.csv", "titled.csv", "japanese.csv", "t.csv.gz", "t.zip", "t.parquet", "t.xlsx", "t.jsonl", "t.json",
    "t.db", "many",
)  # fmt: skip


def precheck(source: str, target: str, overrides: list[str]) -> str:
    "What a look ahead says; nothing: all is well."
    query = ["collect.query=sales"] if source.startswith("sqlite") else []
    try:
        precheck_source(collect_parameters(None, source, target, query + overrides))
    except MLKitError as error:
        assert error.exit_code == 2
        return str(error)
    return ""


@pytest.mark.parametrize("kind", KINDS)
def test_every_wrong_name_is_told_in_one_message(tmp_path, kind):
    source = write(tmp_path, kind)
    assert precheck(source, "solld", WRONG).splitlines() == TOLD
    assert precheck(source, "sold", RIGHT) == ""
    assert precheck(source, " sold ", RIGHT) == ""


def test_names_that_joins_make_count_and_their_keys_are_checked(tmp_path):
    source = write(tmp_path, "t.csv")
    shops = pd.DataFrame({"shop_id": [f"S{n}" for n in range(7)], "size": range(7), "owner": list("abcdefg")})
    shops.to_parquet(tmp_path / "shops.parquet")
    join = f"collect.join={tmp_path / 'shops.parquet'} on shop = shop_id"
    assert precheck(source, "sold", [join, "prepare.leave_out=owner | size_shops"]) == ""
    assert precheck(source, "sold", [join, "prepare.leave_out=ownr | shop_id"]).splitlines() == [
        "prepare.leave_out: no column 'ownr' in the table; did you mean 'owner'?",
        "prepare.leave_out: no column 'shop_id' in the table; did you mean 'shop'?",
    ]
    for key, said in (
        ("shp = shop_id", "no column 'shp' in the first table (collect.join); did you mean 'shop'?"),
        ("shop = shp_id", "no column 'shp_id' in shops.parquet (collect.join); did you mean 'shop_id'?"),
    ):
        assert precheck(source, "sold", [f"collect.join={tmp_path / 'shops.parquet'} on {key}"]) == said


def test_a_file_to_score_has_names_of_its_own(tmp_path):
    source = write(tmp_path, "t.csv")
    (tmp_path / "new.csv").write_text("id,day,shop,price,size\n" + "1,2026-01-01,S1,2,3\n" * 3)
    own = [f"score.source={tmp_path / 'new.csv'}"]
    assert precheck(source, "sold", [*own, "score.keep=id|shop"]) == ""
    assert precheck(source, "sold", [*own, "score.keep=sold"]) == (
        "score.keep: no column 'sold' in new.csv; it has id, day, shop, price, size"
    )
    for word in ("auto", "all", "none"):
        assert precheck(source, "sold", [f"score.keep={word}"]) == ""


def test_what_the_defaults_say_of_the_example_is_no_mistake():
    precheck_source(collect_parameters(None, "example:customers", None, []))
    precheck_source(collect_parameters(None, "example:customers_spend", None, []))
    precheck_source(collect_parameters(Path("settings.ini"), None, None, []))
    assert precheck("example:customers", "churned", ["explain.fixed=regin"]) == (
        "explain.fixed: no column 'regin' in the table; did you mean 'region'?"
    )


def test_only_the_beginning_of_a_large_file_is_read(tmp_path):
    """A good name costs the same whatever the file's length."""
    row = "2026-01-01,S1,2.5,3,1\n"
    path = tmp_path / "large.csv"
    path.write_text("day,shop,price,size,sold\n" + row * 10)
    with open(path, "r+b") as file:
        file.truncate(20 * 2**30)  # 20 GB of zeros follow, which take no place and which no reader accepts
    assert precheck(str(path), "sold", RIGHT) == ""


def test_a_source_that_cannot_be_looked_at_first_is_checked_when_it_is_collected(tmp_path, monkeypatch):
    """What lies on a server is not fetched twice: its names are checked after the first stage that has them."""
    source = write(tmp_path, "t.csv")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/m.db")
    parameters, run = collect_parameters(None, source, "sold", ["explain.fixed=shp"]), tmp_path / "run"
    for stage in ("problem", "collect"):
        run_in_process(run, list_stages()[stage], parameters[stage])
    with pytest.raises(SettingsError, match=re.escape("explain.fixed: no column 'shp' in the table")):
        run_pipeline(run, parameters, ["validate", "explain"], "papermill")
    assert not (run / "artifacts" / "train.parquet").exists()


def test_every_parameter_that_names_columns_is_checked():
    """A new one has to be added to the list, or this fails."""
    speak = {
        f"{stage.name}.{name}"
        for stage in list_stages().values()
        for name, parameter in stage.parameters.items()
        if parameter.kind == "str"
        and not parameter.choices
        and re.search(r"\bcolumns?\b", f"{name.replace('_', ' ')} {parameter.help}")
    }
    assert speak - {"collect.delimiter", "prepare.features"} | {"prepare.combine"} == {*COLUMN_PARAMETERS}
