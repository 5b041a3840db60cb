"""Files that people make for eyes: units, totals, notes, merged cells, several sheets, records in records."""

import io
import json
import tarfile
import time
import zipfile
from datetime import datetime

import openpyxl
import pandas as pd
import pytest

from mlkit.core.errors import MLKitError
from mlkit.sources.collection import collect, read_source
from mlkit.sources.snapshots import describe_snapshot, make_snapshot

ROWS = [[f"{n / 7:.3f}", str(n), "rq"[n % 2], "ab"[n % 3 == 0]] for n in range(40)]
NAMES = ["speed", "temp", "kind", "y"]


def text(*lines, sep=",") -> str:
    return "".join(f"{line if isinstance(line, str) else sep.join(line)}\n" for line in lines)


def refused(*arguments, **more) -> str:
    with pytest.raises(MLKitError) as caught:
        read_source(*arguments, **more)
    assert caught.value.exit_code == 2 and "\n" not in str(caught.value)
    return str(caught.value)


def read(path, names=NAMES, rows=ROWS, **more) -> str:
    "What is said of a file that must hold these rows."
    data, origin = collect(path, **more)
    assert list(data) == names
    assert data.astype("str").values.tolist() == rows
    assert make_snapshot(data, origin)["notes"] == list(origin.notes)
    return "; ".join(origin.notes)


# ---------------------------------------- text files
@pytest.mark.parametrize("units", [
    ["m/s", "degC", "text", "label"], ["[m/s]", "[°C]", "", ""], ["(m/s)", "(K)", "-", "-"], ["km", "%", "n/a", ""],
    ["float", "int", "string", "string"], ["m·s^-1", "kg m2", "", ""],
])  # fmt: skip
@pytest.mark.parametrize("sep", [",", ";", "\t"])
def test_a_row_of_units_is_set_aside_and_said(put, units, sep):
    said = read(put("x.csv", text(NAMES, units, *ROWS, sep=sep)))
    assert said == "line 2 looks like units and was set aside"


def test_units_are_set_aside_in_a_file_to_be_scored_too(put):
    assert read(put("x.csv", text(NAMES[:3], ["m/s", "degC", "text"], ROWS[1][:3])), NAMES[:3], [ROWS[1][:3]])


def test_three_rows_about_the_columns_are_no_data(put):
    said = read(put("x.tsv", text(NAMES, ["continuous", "continuous", "discrete", "discrete"], ["m", "K", "", "class"],
                                  *ROWS, sep="\t")))  # fmt: skip
    assert "line 2 looks like units" in said and "1 more row" in said


@pytest.mark.parametrize("above", [
    ["Sales of May", ""], ["Sales of May,,,", ",,,"], ['Sales "May", north', ""], ["# made by hand"],
    ["Shop:,7", "Date:,May", ""],
])  # fmt: skip
@pytest.mark.parametrize("rows", [1, 2, 40])
def test_what_stands_above_the_header_is_skipped(put, above, rows):
    if rows < 40 and "," in above[0].rstrip(",") or rows == 1 and "," in above[0]:
        return  # with a few rows, nothing tells which line is the header
    path = put("x.csv", text(*above, NAMES, *ROWS[-rows:]))
    assert read(path, rows=ROWS[-rows:]) == "" and collect(path)[1].lines_above_header == len(above)


def test_a_drawn_line_is_no_row(put):
    rule = ["---", "-----", "----", "---"]
    said = read(put("x.csv", text(NAMES, rule, *ROWS, rule, "Total,9,,")))
    assert "drawn line" in said and "end of the table set aside (2)" in said


def test_a_header_without_a_name_for_the_row_is_no_title(put):
    assert "line 2 has 3 fields where the header has 2" in refused(put("x.csv", text("a,b", *["x,y,z"] * 9)))
    assert "line 2 has 3 fields where the header has 2" in refused(put("y.csv", text("a,b", *["r1,2,3"] * 9)))


def test_two_rows_of_names_become_one(put):
    said = read(put("x.csv", text(["id", "size", "", "y"], ["", "min", "max", ""], *ROWS)),
                ["id", "size min", "size max", "y"])  # fmt: skip
    assert "second row of names" in said


@pytest.mark.parametrize("footer, rows", [
    (["Total,820,,"], 1), (["Gesamt;820;;"], 1), (["合計,820,,"], 1), ([",,,", "Total:,820,,"], 2),
    (["Source: Ministry of Trade"], 1), (["Source: Ministry, Trade, and more, of all, kinds"], 1),
    (["(40 rows affected)"], 1), (["", "40 rows selected."], 1), (["Total,820,,", "Source: us"], 2),
    (["Quelle: Amt;;;"], 1), (["* provisional figures,,,"], 1), (["Data taken from the yearbook,,,"], 1),
    (["Zusammen,780,,"], 1),
])  # fmt: skip
def test_what_stands_below_the_table_is_set_aside_and_said(put, footer, rows):
    sep = ";" if ";" in footer[0] else ","
    said = read(put("x.csv", text(NAMES, *ROWS, *footer, sep=sep)))
    assert said.startswith("totals or notes at the end of the table set aside") and (f"({rows})" in said) == (
        rows > 1
    )


def test_title_units_and_total_of_one_report(put):
    whole = text("Measured in May", "", NAMES, ["m/s", "K", "", ""], *ROWS, "Total,780,,", "Source: us")
    said = read(put("x.csv", whole))
    assert "line 4 looks like units" in said and "end of the table" in said
    assert collect(put("x.csv", whole))[1].lines_above_header == 2


def test_a_total_far_behind_the_first_block_is_found(put):
    many = [[f"{n}.5", str(n % 7), "some longer words to fill it", "ab"[n % 2]] for n in range(150_000)]
    data, origin = collect(put("x.csv", text(NAMES, *many, "Total,9,,", "(150000 rows affected)")))
    assert len(data) == 150_000 and data.iloc[-1].tolist() == many[-1]
    assert origin.notes == ("totals or notes at the end of the table set aside (2)",)


HONEST = {
    "a company called Total": [
        ["Shell", "1", "x"],
        ["BP", "2", "y"],
        ["Exxon", "9", "x"],
        ["Total", "3", "y"],
    ],
    "a category total": [["a", "1", "total"], ["b", "2", "part"], ["c", "3", "total"], ["d", "4", "total"]],
    "a last row that lacks cells": [["K-1", "1", "x"], ["K-2", "2", "y"], ["K-3", "3", "x"], ["K-4", "", ""]],
    "a first row that lacks cells": [
        ["K-1", "NA", "n/a"],
        ["K-2", "2", "3"],
        ["K-3", "3", "4"],
        ["K-4", "4", "5"],
    ],
    "texts": [["Source code", "1", "x"], ["Note on it", "2", "y"], ["Data", "3", "x"], ["Sum", "4", "y"]],
    "words only": [["kg", "m", "s"], ["red", "blue", "green"], ["a", "b", "c"], ["d", "e", "f"]],
    "a last row of another kind": [["1", "1", "x"], ["2", "2", "y"], ["3", "3", "x"], ["unknown", "4", "y"]],
    "sizes": [["M", "1", "x"], ["40", "2", "y"], ["42", "3", "x"], ["44", "4", "y"]],
}


@pytest.mark.parametrize("rows", HONEST.values(), ids=HONEST)
def test_an_honest_row_stays(put, rows):
    for count in (1, 6):
        many = rows[:1] * count + rows[1:]
        assert read(put("x.csv", text(["name", "n", "k"], *many)), ["name", "n", "k"], many) == ""


def test_headers_that_come_again_are_set_aside(put):
    said = read(put("x.csv", text(NAMES, *ROWS[:20], NAMES, *ROWS[20:], NAMES)))
    assert said == "rows that repeat the header set aside (2)"


@pytest.mark.parametrize("header, end", [("", ","), (",", ""), ("", ",,"), (",,", "")])
def test_a_delimiter_too_many_is_no_column(put, header, end):
    said = read(put("x.csv", text(",".join(NAMES) + header, *[",".join(row) + end for row in ROWS])))
    assert ("a delimiter too many" in said) == bool(end)


def test_a_cell_too_many_is_still_an_error(put):
    lines = [",".join(row) + "," for row in ROWS]
    said = refused(put("x.csv", text(NAMES, *lines, "1,2,r,a,b", *lines)))
    assert said.startswith("x.csv: line 42 has 5 fields where the header has 4")
    assert refused(put("y.csv", text(NAMES, *ROWS, "9.1,4"))).startswith("y.csv: line 42 has 2 fields")
    assert refused(put("z.csv", text(NAMES, *ROWS, "Source: us", *ROWS))).startswith(
        "z.csv: line 42 has 1 field"
    )


@pytest.mark.parametrize(
    "line",
    ['{}, "{}", "{}", "{}"', '{} , "{}" , "{}" , "{}"', '"{}",  {}, "{}",  "{}"', "{}; '{}'; '{}'; '{}'"],
)
def test_blanks_before_quotes_belong_to_neither_names_nor_cells(put, line):
    assert read(put("x.csv", text(*[line.format(*row) for row in [NAMES, *ROWS]]))) == ""


def test_a_quoted_delimiter_behind_a_blank(put):
    whole = text('shop, "place"', '1, "Nara, Japan"', '2, "say ""hi"""')
    assert read_source(put("x.csv", whole)).place.tolist() == ["Nara, Japan", 'say "hi"']


def test_blanks_and_inches_stay_as_they_are_written(put):
    rows = [["5' 10\" tall", ' 3" pipe'], ["x", " y"]]
    assert read_source(put("x.csv", text(["a", "b"], *rows))).values.tolist() == rows


# ---------------------------------------- workbooks
def book(path, *sheets, merged=(), hidden=(), values=None):
    whole = openpyxl.Workbook()
    whole.remove(whole.active)
    for name, rows in sheets:
        sheet = whole.create_sheet(name)
        for row in rows:
            sheet.append(row)
        sheet.sheet_state = "hidden" if name in hidden else "visible"
    for cells in merged:
        whole.worksheets[-1].merge_cells(cells)
    whole.save(path)
    return str(path)


CELLS = [[n / 8, n, "rq"[n % 2], "ab"[n % 3 == 0]] for n in range(40)]
WRITTEN = [[str(cell) for cell in row] for row in CELLS]
TABLE = [NAMES, *CELLS]
PAGE = [["Contact", "Lab"], ["Date", "May"], ["Remark", "as agreed"]]


def test_merged_texts_hold_for_all_their_rows(tmp_path):
    rows = [["north" if n == 0 else "south" if n == 20 else None, *row] for n, row in enumerate(CELLS)]
    path = book(tmp_path / "x.xlsx", ("S", [["region", *NAMES], *rows]), merged=["A2:A21", "A22:A41"])
    data, origin = collect(path)
    assert data.region.tolist() == ["north"] * 20 + ["south"] * 20
    assert origin.notes == ("merged cells of 'region' filled down (38)",)
    assert "filled down" in describe_snapshot(data, origin)


def test_merged_numbers_are_not_made_up_in_silence(tmp_path):
    rows = [
        [2020 if n == 0 else 2021 if n == 20 else None, 9.5 if n == 4 else None if n == 5 else n, *row]
        for n, row in enumerate(CELLS)
    ]
    path = book(
        tmp_path / "x.xlsx", ("S", [["year", "cost", *NAMES], *rows]), merged=["A2:A21", "A22:A41", "B6:B7"]
    )
    data, origin = collect(path)
    assert data.year.tolist() == [2020] * 20 + [2021] * 20 and data.cost.isna().sum() == 1
    assert origin.notes[0].startswith("merged cells of 'year' filled down")
    assert (
        origin.notes[1]
        == "merged cells of 'cost' hold numbers: each stands in its first row only, the others are missing"
    )


def test_merged_names_name_their_columns(tmp_path):
    rows = [["size", None, "kind", "y"], ["speed", "temp", None, None], *CELLS]
    path = book(tmp_path / "x.xlsx", ("S", rows), merged=["A1:B1", "C1:C2", "D1:D2"])
    assert "joined" in read(path, ["size speed", "size temp", "kind", "y"], WRITTEN)


def test_titles_units_totals_and_an_empty_column_in_a_workbook(tmp_path):
    rows = [["Survey 2026"], [], [None, *NAMES], [None, "m/s", "K", None, None], *[[None, *row] for row in CELLS],
            [None, "Total", 780], [None, "Source: us"]]  # fmt: skip
    path = book(tmp_path / "x.xlsx", ("S", rows), merged=["A1:E1"])
    said = read(path, NAMES, WRITTEN)
    assert "row 4 looks like units" in said and "2 rows below the table" in said
    assert collect(path)[1].lines_above_header == 2


@pytest.mark.parametrize("sheets, hidden", [
    ([("ReadMe", PAGE), ("Data", TABLE)], ()), ([("Empty", []), ("Data", TABLE)], ()),
    ([("Old", [*TABLE, *CELLS]), ("Data", TABLE)], ("Old",)),
    ([("Codes", [["code", "means"], [1, "a"], [2, "b"]]), ("Data", TABLE)], ()),
    ([("Data", TABLE), ("Notes", PAGE)], ()),
])  # fmt: skip
def test_the_sheet_with_the_table_is_taken_and_said(tmp_path, sheets, hidden):
    said = read(book(tmp_path / "x.xlsx", *sheets, hidden=hidden), NAMES, WRITTEN)
    assert said.startswith(f"sheet 'Data' taken of {sheets[0][0]}, {sheets[1][0]} (collect.sheet")


def test_one_row_to_be_scored_is_found_beside_notes(tmp_path):
    read(book(tmp_path / "x.xlsx", ("ReadMe", PAGE * 5), ("Data", [NAMES, CELLS[1]])), NAMES, WRITTEN[1:2])


def test_of_two_tables_the_first_is_taken_and_a_named_one_without_a_word(tmp_path):
    path = book(tmp_path / "x.xlsx", ("May", TABLE), ("June", [*TABLE, *CELLS]))
    assert "collect.sheet" in read(path, NAMES, WRITTEN)
    assert read(path, NAMES, WRITTEN * 2, sheet="June") == ""


def test_formulas_that_nobody_has_worked_out_are_an_error(tmp_path):
    rows = [[*row, f"=A{n}*2"] for n, row in enumerate(CELLS, start=2)]
    said = refused(book(tmp_path / "x.xlsx", ("S", [[*NAMES, "double"], *rows])))
    assert said.startswith(
        "x.xlsx: 40 cells of 'double' hold formulas without a stored value; open the file in Excel"
    )
    total = [*TABLE, ["Total", "=SUM(B2:B41)"]]
    assert "below the table" in read(book(tmp_path / "y.xlsx", ("S", total)), NAMES, WRITTEN)


def test_errors_and_dates_in_cells(tmp_path):
    errors = {3: "#N/A", 4: "#REF!"}
    rows = [[errors.get(n, n), datetime(2026, 1, 1 + n % 28), "x"] for n in range(40)]
    data, origin = collect(book(tmp_path / "x.xlsx", ("S", [["n", "day", "k"], *rows])))
    assert data.n.isna().sum() == 2 and data.day.dtype.kind == "M"
    assert origin.notes == ("cells that hold an error of Excel (#N/A, #REF!) count as missing (2)",)


def test_a_workbook_of_pandas_is_read_as_before(tmp_path):
    frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"], "c": [True, False, True]})
    frame.to_excel(tmp_path / "x.xlsx")
    data = read_source(str(tmp_path / "x.xlsx"))
    assert list(data) == ["column_1", "a", "b", "c"] and data.b.isna().sum() == 1 and len(data) == 3


# ---------------------------------------- JSON
PEOPLE = [
    {"id": n, "user": {"plan": "pro", "home": {"city": "Nara"}} if n % 3 else None, "y": "ab"[n % 2]}
    for n in range(9)
]
FLAT = ["id", "user.plan", "user.home.city", "y"]


@pytest.mark.parametrize("name, content", [
    ("x.jsonl", "\n".join(map(json.dumps, PEOPLE))), ("x.json", json.dumps(PEOPLE)),
    ("x.json", json.dumps({"data": PEOPLE, "page": 1})),
    ("x.json", json.dumps({"page": {"n": 1}, "result": {"rows": PEOPLE}}, indent=2)),
    ("x.json", "\n".join(map(json.dumps, PEOPLE))),
])  # fmt: skip
def test_records_in_records_become_columns(put, name, content):
    data, origin = collect(put(name, content))
    assert sorted(data) == sorted(FLAT) and len(data) == 9 and data["user.plan"].isna().sum() == 3
    assert "the records in 'user' became 2 columns (2)" in origin.notes
    assert any("'data'" in note or "'result.rows'" in note for note in origin.notes) == ('"page"' in content)


def test_a_table_by_columns_is_a_table(put):
    frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    for orient in ("columns", "list", "split", "table", "records"):
        content = json.dumps(frame.to_dict(orient)) if orient == "list" else frame.to_json(orient=orient)
        data = read_source(put("x.json", content))
        assert data[["a", "b"]].equals(frame), orient


def test_lists_empty_records_and_mixed_ones(put):
    rows = [
        {"tags": ["a", "b"], "items": [{"n": 1}], "at": {}, "who": "Ann"},
        {"tags": [], "items": [], "at": {"x": 1}, "who": {"name": "Bo"}},
    ]
    data, origin = collect(put("x.jsonl", "\n".join(map(json.dumps, rows))))
    assert list(data) == ["tags", "items", "who", "at.x", "who.name"]
    assert data.tags.tolist() == ['["a", "b"]', "[]"] and data["who"].tolist()[0] == "Ann"
    assert "'items' holds lists of records, kept as text" in origin.notes


def test_two_fields_of_one_name_are_told_apart(put):
    assert "rename one" in refused(put("x.jsonl", '{"a.b": 1, "a": {"b": 2}}\n'))
    assert "2 lists of records ('p', 'q')" in refused(put("x.json", '{"p": [{"a": 1}], "q": [{"b": 1}]}'))


def test_records_keyed_by_who_they_are_do_not_become_thousands_of_columns(put):
    rows = [{"id": n, "y": n % 2, "by": {f"p{n}-{k}": k for k in range(30)}} for n in range(100)]
    data, origin = collect(put("x.jsonl", "\n".join(map(json.dumps, rows))))
    assert list(data) == ["id", "y", "by"] and "too many fields" in origin.notes[0]


def test_records_in_parquet_become_columns_too(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.Table.from_pylist(PEOPLE), tmp_path / "x.parquet")
    data = read_source(str(tmp_path / "x.parquet"))
    assert list(data) == FLAT and data["user.home.city"].notna().sum() == 6


# ---------------------------------------- archives
BESIDE = {
    "__MACOSX/data/._x.csv": b"\0\5\26\7",
    ".DS_Store": b"\0",
    "data/Thumbs.db": b"\0",
    "data/desktop.ini": b"[x]",
    "data/._x.csv": b"\0",
    "data/.hidden/y.csv": b"q",
    "data/README.txt": b"read me",
    "data/~$x.xlsx": b"",
}


def packed(kind: str, files: dict[str, bytes]) -> bytes:
    whole = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(whole, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return whole.getvalue()
    with tarfile.open(
        fileobj=whole, mode=f"w:{kind.rpartition('.')[2].replace('tgz', 'gz').replace('tar', '')}"
    ) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return whole.getvalue()


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tgz", "tar.bz2", "tar.xz"])
def test_an_archive_holds_one_table_whatever_lies_beside_it(put, kind):
    files = BESIDE | {"data/may/x.csv": text(NAMES, *ROWS).encode()}
    assert read(put(f"may.{kind}", packed(kind, files))) == ""
    assert read(put(f"may.csv.{kind}", packed(kind, files))) == ""


def test_an_archive_of_two_tables_names_them(put):
    files = {"a.csv": b"a,b\n1,2\n", "b.csv": b"a,b\n1,2\n"}
    for kind in ("zip", "tar.gz"):
        said = refused(put(f"x.{kind}", packed(kind, files)))
        assert (
            said
            == f"x.{kind}: the archive must have one file and has 2 (a.csv, b.csv); unpack it, and name a file or a folder"
        )
    assert "and has none" in refused(put("y.zip", packed("zip", {".DS_Store": b"\0"})))


def test_system_files_in_a_folder_are_no_tables(put, tmp_path):
    put("sales/1.csv", text(NAMES, *ROWS))
    for name, content in BESIDE.items():
        put(f"sales/{name}", content)
    (tmp_path / "sales/data/README.txt").unlink()
    assert read(str(tmp_path / "sales")) == ""
    book(tmp_path / "sales" / "2.xlsx", ("S", TABLE))
    put("sales/~$2.xlsx", b"\0")
    assert read(str(tmp_path / "sales" / "*.xlsx"), NAMES, WRITTEN) == ""


# ---------------------------------------- scoring
def test_a_file_to_be_scored_is_read_by_the_same_rules(package, tmp_path):
    from mlkit.inference.predictor import load_predictor
    from mlkit.score import describe_scoring
    from mlkit.scoring.batch_job import score_source
    from mlkit.sources.examples import make_customers

    rows, predictor = make_customers(60, seed=7).drop(columns="churned"), load_predictor(package)
    rows.to_csv(tmp_path / "plain.csv", index=False)
    lines = (tmp_path / "plain.csv").read_text(encoding="utf-8").splitlines()
    wide = rows.shape[1]
    units = ["years" if name == "age" else "$" if name == "monthly_fee" else "" for name in rows]
    eyes = ["Customers of May", "", lines[0], ",".join(units), *lines[1:30], lines[0], *lines[30:]]
    eyes.append("Source: shop" + "," * (wide - 1))
    (tmp_path / "eyes.csv").write_text("\n".join(eyes), encoding="utf-8")
    outputs = {name: str(tmp_path / f"{name}.parquet") for name in ("plain", "eyes")}
    done = {
        name: score_source(predictor, str(tmp_path / f"{name}.csv"), out) for name, out in outputs.items()
    }
    answers = {name: pd.read_parquet(tmp_path / f"{name}.parquet") for name in done}
    assert answers["eyes"].equals(answers["plain"]) and done["plain"].reading == ()
    told = json.loads((tmp_path / "eyes.scoring.json").read_text(encoding="utf-8"))["reading"]
    assert len(told) == 3 and all(
        f"While reading: {note}." in describe_scoring(done["eyes"]) for note in told
    )


def test_facts_above_a_narrow_table_are_no_names(tmp_path):
    rows = [
        ["Contact", "Lab"],
        ["Date", "May"],
        ["speed", "temp", "y"],
        *[[n / 8 + 0.05, n, "ab"[n % 2]] for n in range(20)],
    ]
    data, origin = collect(book(tmp_path / "x.xlsx", ("S", rows)))
    assert list(data) == ["speed", "temp", "y"] and len(data) == 20 and origin.lines_above_header == 2


@pytest.mark.parametrize(
    "nasty", [", ", ', "', '" , ', "' ,", ";'", '"" ', "-,", "total:", "(1 ", "Source: ", "=", "1,", '\\"']
)
def test_a_nasty_line_takes_time_in_proportion_to_its_length(nasty):
    from mlkit.sources.delimited import detect_layout
    from mlkit.sources.stray_rows import is_heading_row, is_note, is_total, is_unit

    def seconds(length: int) -> float:
        line, begin = (nasty * length)[:length], time.process_time()
        try:
            detect_layout(lambda: io.BytesIO(f"a,b\n1,2\n{line}\n".encode()))
        except MLKitError:
            pass
        is_heading_row([line, "x"], [["1", "2"]] * 6)
        _ = is_note(line), is_total(line), is_unit(line)
        return time.process_time() - begin + 0.01

    seconds(10_000)
    assert seconds(200_000) < 12 * seconds(50_000)
