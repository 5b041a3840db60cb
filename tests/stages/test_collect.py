import bz2
import csv
import gzip
import io
import json
import lzma
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlkit.core.errors import DataError, MLKitError, SettingsError
from mlkit.quality.profile import profile_columns, show_profile
from mlkit.sources.collection import collect, read_source
from mlkit.sources.delimited import detect_layout, read_text_batches, sniff_dialect
from mlkit.sources.encodings import open_text, resolve_encoding
from mlkit.sources.examples import make_customers
from mlkit.sources.snapshots import data_hash, describe_snapshot, make_snapshot


@pytest.fixture
def put(tmp_path):
    "Write a file, and say where it is."

    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def opener(raw):
    return lambda: io.BytesIO(raw)


def sniff_encoding(raw):
    return resolve_encoding(opener(raw))[0]


def decode_text(raw):
    with open_text(opener(raw), sniff_encoding(raw)) as text:
        return text.read()


def split_cells(text, delimiter="auto"):
    raw = opener(text.encode())
    return pd.concat(read_text_batches(raw, detect_layout(raw, "utf-8", delimiter)))


def message_of(kind, call, *arguments):
    with pytest.raises(kind) as caught:
        call(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


# encodings

JAPANESE = [
    "日付,店舗,売上\r\n2026-04-01,新宿店,128000\r\n",
    "氏名,住所\n山田太郎,東京都\n",
    "id,区分\n1,男\n2,女\n",
    "年月日,気温(℃),降水量\n2013/10/20,15.2,61.0\n",
    "id,note\n1,あ\n",
    "顧客番号,備考\n1,（株）高橋\n",
]
WESTERN = [
    "Name;Straße\nMüller;Ölweg 3\n",
    "nom,prénom\nLefèvre,André\n",
    "ciudad,país\nMálaga,España\n",
    "id,x\n1,café\n",
    "a,temp °C\n1,2\n",
    "a,price £\n1,2\n",
    "navn,by\nSøren,Århus\n",
    "id,quote\n1,“hello” – it’s\n",
    "a,m²\n1,2\n",
]


@pytest.mark.parametrize("text", JAPANESE)
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp932", "euc_jp"]
)
def test_japanese_is_read_in_every_encoding(text, encoding):
    assert decode_text(text.encode(encoding)) == text


@pytest.mark.parametrize("text", WESTERN)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_western_text_is_not_taken_for_japanese(text, encoding):
    assert decode_text(text.encode(encoding)) == text


def test_half_width_katakana_is_cp932():
    assert sniff_encoding("ｺｰﾄﾞ,ｶﾅ\n1,ﾔﾏﾀﾞ\n2,ｻﾄｳ\n".encode("cp932")) == "cp932"


@pytest.mark.parametrize("marks", [0, 1, 2, 3])
def test_all_byte_order_marks_go(put, marks):
    path = put("x.csv", b"\xef\xbb\xbf" * marks + b"a,b\n1,2\n")
    assert list(read_source(path)) == ["a", "b"]


@given(st.binary(min_size=1, max_size=300))
def test_what_is_sniffed_decodes_or_is_refused(raw):
    try:
        encoding = sniff_encoding(raw)
    except DataError:
        return
    raw.decode(encoding)


def test_a_given_encoding_is_kept_to(put):
    path = put("x.csv", "a,b\n1,2\n店,3\n".encode("cp932"))
    assert message_of(DataError, read_source, path, "utf-8") == (
        "x.csv: line 3, byte 0x93 is not utf-8; set collect.encoding = auto"
    )
    assert read_source(path, "cp932").loc[1, "a"] == "店"


@pytest.mark.parametrize("name", ["utf-9", "hex", "rot13", "", "a\0b"])
def test_an_unknown_encoding_is_a_setting_to_mend(put, name):
    assert message_of(SettingsError, read_source, put("x.csv", "a,b\n1,2\n"), name).startswith(
        "collect.encoding: "
    )


# delimiters


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2,5\n", ";"),
        ("a\tb c\n1,2\t3\n", "\t"),
        ("a|b\n1|2\n", "|"),
        ('a,b\n"x;y;z",1\n', ","),
        ('"a;b",c\n1,2\n', ","),
        ("a;b;c\n1;2;3\n", ";"),
        ('a;note\n1;"p, q, r"\n2;"s, t"\n', ";"),
    ],
)
def test_the_delimiter_is_found(text, expected):
    assert sniff_dialect(text).delimiter == expected


def test_decimal_commas_do_not_make_the_header_a_title(put):
    path = put("x.csv", "Datum;Preis (€);Temperatur;Art\n" + "01.12.2022;1.459,83;10,6;Gas\n" * 30)
    assert list(read_source(path)) == ["Datum", "Preis (€)", "Temperatur", "Art"]


def test_a_long_text_is_judged_by_its_beginning():
    assert detect_layout(opener(b"a;b\n" + b"1,5;2,5\n" * 500_000)).dialect.delimiter == ";"


@pytest.mark.parametrize("given_as", ["tab", "\\t", "\t"])
def test_a_tab_can_be_named(put, given_as):
    assert read_source(put("x.txt", "a,1\tb\n1\t2\n"), "auto", given_as).shape == (1, 2)


@pytest.mark.parametrize("wrong", ["", ",,", '"', "\n", "x", "、"])
def test_an_impossible_delimiter_is_a_setting_to_mend(put, wrong):
    message = message_of(SettingsError, read_source, put("x.csv", "a,b\n1,2\n"), "auto", wrong)
    assert message == f"collect.delimiter must be auto, tab or one character, and not {wrong!r}"


# cells

CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@given(
    st.integers(2, 4).flatmap(
        lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=6)
    ),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n"]),
)
def test_every_cell_comes_back_as_it_was_written(rows, delimiter, newline):
    header = [f"c{place}" for place in range(len(rows[0]))]
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=delimiter, lineterminator=newline, quoting=csv.QUOTE_ALL).writerows(
        [header, *rows]
    )
    frame = split_cells(written.getvalue(), delimiter)
    assert list(frame) == header
    assert frame.values.tolist() == rows


def test_nothing_is_guessed(put):
    path = put("x.csv", "id,n\n007,NA\n 1 ,\n1e5,nan\n,TRUE\n")
    assert read_source(path).values.tolist() == [["007", "NA"], [" 1 ", ""], ["1e5", "nan"], ["", "TRUE"]]


def test_quotes_inside_words_and_blank_lines_do_no_harm(put):
    path = put("x.csv", 'a,b\r\n\r\n5" pipe,"say ""hi"""\r\n\r\n')
    assert read_source(path).values.tolist() == [['5" pipe', 'say "hi"']]


@pytest.mark.parametrize("pack", [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_packed_files_are_opened(put, pack):
    ending, compress = pack
    assert read_source(put(f"x.csv.{ending}", compress(b"a,b\n1,2\n"))).values.tolist() == [["1", "2"]]


def test_a_zip_file_must_hold_one_file(put, tmp_path):
    for number in (1, 2):
        with zipfile.ZipFile(tmp_path / f"{number}.csv.zip", "w") as archive:
            for place in range(number):
                archive.writestr(f"{place}.csv", "a,b\n1,2\n")
    assert len(read_source(str(tmp_path / "1.csv.zip"))) == 1
    assert "must have one file and has 2" in message_of(DataError, read_source, str(tmp_path / "2.csv.zip"))


# names


def test_names_are_kept_with_their_blanks(put):
    assert list(read_source(put("x.csv", " a,b ,価格 （円）\n1,2,3\n"))) == [" a", "b ", "価格 （円）"]


def test_nameless_columns_get_their_place_as_name(put):
    assert list(read_source(put("x.csv", ",column_1,  \n1,2,3\n"))) == ["column_1_", "column_1", "column_3"]


def test_double_names_are_refused(put):
    assert message_of(DataError, read_source, put("x.csv", "id,x,id,x\n1,2,3,4\n")) == (
        "x.csv: two columns have the same name: 'id', 'x'; rename one of them"
    )


# bad files

MEND = "mend the file, or quote cells that contain the delimiter"


@pytest.mark.parametrize(
    "content, expected",
    [
        (b"", "the file is empty; export the table once more"),
        (b" \r\n \n", "the file is empty; export the table once more"),
        (b"\xef\xbb\xbf", "the file is empty; export the table once more"),
        (b"\xff\xfe", "the file is empty; export the table once more"),
        (b"a,b\n", "there is a header but no row; export the table with its rows"),
        (b"a,b", "there is a header but no row; export the table with its rows"),
        (
            b"a\n1\n",
            "there is one column only, 'a'; if there are more, say what is between them: "
            "-p collect.delimiter=...",
        ),
        (b"a,b\n1,2\n3\n", f"line 3 has 1 field where the header has 2; {MEND}"),
        (
            b'a,b\n"x\ny",2\n\n3,4,5\n6,7,8\n',
            f"line 5 has 3 fields where the header has 2 (and 1 more such row); {MEND}",
        ),
        (b'a,b\n1,2\n3,"four\n5,6\n7,8\n', "a quote is opened after line 2 and never closed; mend the file"),
        (b"PAR1....", "this is a Parquet file, not text; give the file its right ending"),
        (b"PK\x03\x04....", "this is an Excel or ZIP file, not text; give the file its right ending"),
        (bytes(range(256)) * 4, "this is not text: it has bytes that no text has; export the table as CSV"),
    ],
)
def test_a_bad_text_file_is_named_with_its_fault(put, content, expected):
    assert message_of(DataError, read_source, put("bad.csv", content)) == f"bad.csv: {expected}"


@pytest.mark.parametrize(
    "name, content",
    [
        ("x.parquet", b"nothing"),
        ("x.xlsx", b"nothing"),
        ("x.json", b"[1, 2"),
        ("x.jsonl", b'{"a": 1}\n{"a":\n'),
        ("x.csv.gz", b"nothing"),
        ("x.csv.xz", b"nothing"),
        ("x.csv.zip", b"nothing"),
        ("x.json", b"[]"),
        ("x.json", b"[1]"),
        ("x.jsonl", b"3\n"),
        ("x.parquet", b""),
        ("x.xlsx", b""),
    ],
)
def test_a_broken_file_is_an_error_of_one_line_without_its_folder(put, tmp_path, name, content):
    message = message_of(DataError, read_source, put(name, content))
    assert message.startswith(name) and str(tmp_path) not in message


def test_a_missing_file_is_answered_with_the_nearest(put, tmp_path):
    put("telco_churn.csv", "a,b\n1,2\n")
    wrong = str(tmp_path / "telco_chrun.csv")
    assert (
        message_of(DataError, read_source, wrong) == f"no such file: {wrong}; did you mean 'telco_churn.csv'?"
    )


@pytest.mark.parametrize(
    "source, expected",
    [
        ("", "collect.source is empty"),
        ("no/where/x.csv", "there is no folder"),
        ("example:custmers", "did you mean 'customers'?"),
        ("nbs", "nbs is a folder without tables"),
        ("nbs/*.csv", "no file matches nbs/*.csv"),
        ("ftp://host/x.csv", "ftp:// is not known; give a file, https://"),
        ("env:NOT_SET_HERE", "the environment variable NOT_SET_HERE is not set"),
    ],
)
def test_a_source_that_is_no_file(source, expected):
    assert expected in message_of(MLKitError, read_source, source)


@pytest.mark.parametrize("name", ["x.xls", "x.pkl", "x", "x.csv.7z", ".csv"])
def test_an_unknown_ending_is_refused(put, name):
    assert "is not known; save the table as one of .csv" in message_of(
        DataError, read_source, put(name, "a,b\n1,2\n")
    )


# typed files


def test_parquet_keeps_types_and_named_indexes(tmp_path):
    frame = pd.DataFrame(
        {"n": [1, 2], "x": [0.5, np.nan], "day": pd.to_datetime(["2024-01-01", None]), "t": ["a", None]},
        index=pd.Index([7, 8], name="key"),
    )
    frame.to_parquet(tmp_path / "x.parquet")
    read = read_source(str(tmp_path / "x.parquet"))
    assert list(read) == ["key", "n", "x", "day", "t"]
    assert [str(kind) for kind in read.dtypes[:3]] == ["int64", "int64", "float64"]
    assert read.day.dtype.kind == "M" and read.t.isna().tolist() == [False, True]


def test_excel_reads_the_first_sheet_from_its_first_filled_row(tmp_path):
    cells = pd.DataFrame(
        [[None, None, None], ["id", "country", "day"], [1, "NA", pd.Timestamp("2024-01-31")], [2, None, None]]
    )
    cells.to_excel(tmp_path / "x.xlsx", index=False, header=False)
    read = read_source(str(tmp_path / "x.xlsx"))
    assert list(read) == ["id", "country", "day"]
    assert read.country[0] == "NA" and read.country.isna()[1]
    assert read.id.dtype.kind == "i" and read.day.dtype.kind == "M"


@pytest.mark.parametrize(
    "name, text",
    [
        ("x.jsonl", '{"id": 1, "v": "007"}\n\n{"id": 2, "w": [1, "é"]}\n'),
        ("x.json", '[{"id": 1, "v": "007"}, {"id": 2, "w": [1, "é"]}]'),
    ],
)
def test_json_keeps_types_and_makes_nested_values_text(put, name, text):
    read = read_source(put(name, text))
    assert read.id.tolist() == [1, 2] and read.v[0] == "007" and read.v.isna()[1]
    assert read.w[1] == '[1, "é"]'


def test_mixed_columns_can_be_saved_as_parquet(put, tmp_path):
    read = read_source(
        put(
            "x.jsonl",
            '{"a": 1, "b": true}\n{"a": "x", "b": null}\n{"a": 12345678901234567890123, "b": 2.5}\n',
        )
    )
    read.to_parquet(tmp_path / "y.parquet")
    assert pd.read_parquet(tmp_path / "y.parquet").equals(read)


def test_a_broken_line_of_json_is_named(put):
    assert message_of(DataError, read_source, put("x.jsonl", '{"a": 1}\n{"a": }\n')) == (
        "x.jsonl: line 2 is not JSON (Expecting value at character 7)"
    )


# samples, hash, snapshot


def test_a_sample_keeps_order_and_follows_its_seed(put):
    path = put("x.csv", "n,m\n" + "".join(f"{n},0\n" for n in range(500)))
    drawn = [read_source(path, rows=50, seed=seed).n.astype(int).tolist() for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] == sorted(set(drawn[0])) and len(drawn[0]) == 50
    assert len(read_source(path, rows=5000)) == 500


@pytest.mark.parametrize("wrong", [{"rows": -1}, {"seed": -1}, {"seed": 2**32}])
def test_impossible_samples_are_settings_to_mend(wrong):
    with pytest.raises(SettingsError, match=f"collect.{next(iter(wrong))} must be"):
        read_source("example:wine", **wrong)


def test_the_hash_does_not_know_the_format_of_the_file(put):
    ways = [
        put("1.csv", "a,b\n1,é\n"),
        put("2.csv", "a;b\r\n1;é\r\n".encode("cp1252")),
        put("3.tsv", 'a\t"b"\n1\té'.encode("utf-16")),
    ]
    assert len({data_hash(read_source(way)) for way in ways}) == 1


FRAME = pd.DataFrame(
    {"a": [1, 2, 3], "b": ["x", None, "z"], "c": pd.to_datetime(["2024-01-01", None, "2025-01-01"])}
)


@pytest.mark.parametrize(
    "same",
    [
        FRAME.set_index(pd.Index([9, 8, 7])),
        FRAME.astype({"b": object}),
        FRAME.assign(c=FRAME.c.astype("datetime64[ns]")),
    ],
)
def test_the_hash_stays_when_only_the_form_differs(same):
    assert data_hash(same) == data_hash(FRAME)


@pytest.mark.parametrize(
    "other",
    [
        FRAME.iloc[::-1],
        FRAME.rename(columns={"a": "A"}),
        FRAME[["b", "a", "c"]],
        FRAME.astype({"a": float}),
        FRAME.head(2),
        FRAME.assign(a=[1, 2, 4]),
        FRAME.assign(b=["x", "", "z"]),
        FRAME.assign(b=["x", "nan", "z"]),
        FRAME.assign(d=0),
    ],
)
def test_the_hash_changes_with_the_content(other):
    assert data_hash(other) != data_hash(FRAME)


def test_the_hash_is_the_same_in_another_process_and_after_parquet(tmp_path):
    table = make_customers(200)
    table.to_parquet(tmp_path / "x.parquet")
    code = (
        "from mlkit.sources.examples import make_customers; from mlkit.sources.snapshots import data_hash; "
        "print(data_hash(make_customers(200)))"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert data_hash(table) == elsewhere == data_hash(pd.read_parquet(tmp_path / "x.parquet"))


def test_the_snapshot_tells_where_the_data_came_from(put):
    path = put("x.csv", "店;b\n1;2\n3;4\n".encode("cp932"))
    data, origin = collect(path, rows=1)
    told = make_snapshot(data, origin)
    assert json.loads(json.dumps(told)) == told
    assert told["rows"] == 1 and told["rows_in_source"] == 2 and told["columns"] == 2
    assert (told["encoding"], told["delimiter"], told["bytes"], told["source"]) == ("cp932", ";", 13, path)
    assert (
        describe_snapshot(data, origin)
        == "1 of 2 rows x 2 columns read from x.csv as CP932, semicolon-separated"
    )


# profile


def test_a_profile_covers_personal_columns_entirely():
    table = make_customers(500).assign(
        tel=[f"+81 90-1234-{n:04}" for n in range(500)], mobile=[f"090{n:08}" for n in range(500)]
    )
    shown = show_profile(profile_columns(table)).data + profile_columns(table).to_csv()
    assert "example.com" not in shown and "1234" not in shown and "09000000" not in shown
    assert not any(name in shown for name in table.name)


@pytest.mark.parametrize(
    "name, cells",
    [
        ("rate", ["0.176230308", "0.598368278"]),
        ("day", ["2024-01-31", "2025-12-01"]),
        ("product_name", ["A-100", "B-200"]),
        ("code", ["0123456789", "0123456780"]),
        ("company", ["Blue Shirt", "Red Hat"]),
    ],
)
def test_ordinary_columns_are_not_taken_for_personal(name, cells):
    assert "•••" not in profile_columns(pd.DataFrame({name: cells * 30, "x": 1})).examples[0]


def note_of(cells, name="x"):
    return profile_columns(pd.DataFrame({name: cells})).note[0]


@pytest.mark.parametrize(
    "cells, expected",
    [
        (["a"] * 60, "constant"),
        ([""] * 60, "empty"),
        ([f"K-{n:04}" for n in range(100)], "one value a row: an identifier?"),
        (["1,250", "980"] * 30, 'numbers written as text, such as "1,250"'),
        (["2024-01-31", "2024-02-01"] * 30, "dates written as text"),
        ([str(n / 10) for n in range(60)] + [" "] * 11, "11 blank cells"),
        (["north", "NORTH", "north", "south"] * 30, 'one category in several spellings: "north", "NORTH"'),
        ([n % 50 for n in range(200)] + [-1], "-1 in 1 row: not known?"),
        ([n % 50 for n in range(200)] + [999, 999], "999 in 2 rows: not known?"),
        ([n % 50 for n in range(200)] + [700], "700 stands alone, the next is 49"),
        (["a", "b", "unknown"] * 30, '"unknown" in 30 rows: not known?'),
        (["1", "2", "x", "3"] * 30, '75% numbers, but also "x"'),
        ([n % 50 for n in range(200)], ""),
        (["a", "b"] * 30, ""),
    ],
)
def test_suspicions_are_put_in_words(cells, expected):
    assert note_of(cells) == expected


def test_missing_and_extremes():
    told = profile_columns(
        pd.DataFrame(
            {"n": ["10", "9", "", "NA"] * 20, "d": ["2024-03-01", "2023-01-01", "2023-05-05", "?"] * 20}
        )
    )
    assert told.missing.tolist() == [0.5, 0.25]
    assert told[["smallest", "largest"]].values.tolist() == [["9", "10"], ["2023-01-01", "2024-03-01"]]


@given(
    st.lists(
        st.one_of(CELL, st.none(), st.sampled_from(["1", "-1", "2024-01-31", "yes"])), min_size=1, max_size=60
    )
)
def test_a_profile_can_be_made_of_anything(cells):
    told = profile_columns(pd.DataFrame({"x": pd.Series(cells, dtype="str"), " ": range(len(cells))}))
    assert len(told) == 2 and told.missing.between(0, 1).all()
    show_profile(told)


def test_what_a_profile_shows_is_escaped_and_limited():
    told = profile_columns(pd.DataFrame({f"<script>{n}": ["<b>", "&"] for n in range(510)}))
    shown = show_profile(told).data
    assert "<script>" not in shown and "<b>" not in shown and "and 10 more columns" in shown


def test_each_column_of_a_profile_opens_to_its_details():
    shown = show_profile(profile_columns(make_customers(300))).data
    assert shown.count("<details>") == shown.count("</details>") == 17
    assert "commonest: basic" in shown or "commonest: plus" in shown


# the stage


def test_the_lesson_leaves_the_parameters_alone():
    import ast

    from mlkit.pipeline.notebooks import has_tag, list_stages

    stage = list_stages()["collect"]
    lesson = [
        c.source for c in stage.notebook.cells if c.cell_type == "code" and not has_tag(c, "parameters")
    ]
    lesson = [
        source for source in lesson if source not in stage.run_cells and not source.startswith("#| export")
    ]
    nodes = [node for source in lesson for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)]
    assert lesson and not {n.id for n in nodes if isinstance(n.ctx, ast.Store)} & set(stage.parameters)


def test_the_stage_leaves_its_artifacts(put, tmp_path):
    from mlkit.core.run_folder import RunFolder, read_journal
    from mlkit.pipeline.notebooks import list_stages, run_in_process

    path = put("shops.csv", "店舗;売上\n新宿店;128000\n大阪店;94500\n".encode("cp932"))
    run_in_process(tmp_path / "run", list_stages()["collect"], {"source": path})
    run = RunFolder(tmp_path / "run")
    assert run.load("data").equals(read_source(path))
    assert run.load("snapshot")["encoding"] == "cp932"
    assert run.load("profile").column.tolist() == ["店舗", "売上"]
    record = read_journal(tmp_path / "run")["stages"]["collect"]
    assert record["summary"] == "2 rows x 2 columns read from shops.csv as CP932, semicolon-separated"
    assert list(record["sources"]) == ["shops.csv"], "from the project, so that it may be moved"
