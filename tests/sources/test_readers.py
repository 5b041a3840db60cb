"""Tables from everywhere: folders, archives, a real web server, databases and object stores, and joins."""

import bz2
import gzip
import io
import json
import lzma
import sqlite3
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlkit.cli.main import collect_parameters, default_run_name, precheck_source
from mlkit.core.errors import DataError, MLKitError, SettingsError
from mlkit.core.run_folder import read_journal
from mlkit.pipeline.notebooks import list_stages, reason_to_run, run_in_process
from mlkit.sources import archives, databases, downloads, file_formats
from mlkit.sources import locations as place
from mlkit.sources.collection import collect, read_source
from mlkit.sources.file_formats import ReadReport
from mlkit.sources.readers import read_all_frames, read_batches, rebatch, sample_frames
from mlkit.sources.snapshots import data_hash, describe_snapshot, make_snapshot

TABLE = "id,city,sold\n" + "".join(f"{n},{'Köln' if n % 2 else '東京'},{n * 7 % 100}\n" for n in range(200))


def refused(*arguments, **more) -> str:
    "The one line with which a source is refused."
    with pytest.raises(MLKitError) as caught:
        read_source(*arguments, **more)
    assert caught.value.exit_code == 2 and "\n" not in str(caught.value)
    return str(caught.value)


# ---------------------------------------- streams
@pytest.mark.parametrize("length", [1, 7, 64, 200, 5000])
def test_a_stream_is_the_table_whatever_the_length_of_its_parts(put, length):
    path = put("x.csv", TABLE)
    parts = list(read_batches(path, rows_per_batch=length))
    assert {len(part) for part in parts[:-1]} <= {length}
    assert pd.concat(parts).equals(read_source(path))


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "json", "xlsx"])
def test_typed_files_stream_too(tmp_path, kind):
    frame = pd.DataFrame({"n": range(90), "x": [0.5, None, 2] * 30, "t": ["a", None, "ü"] * 30})
    path = tmp_path / f"x.{kind}"
    write = {"parquet": lambda: frame.to_parquet(path, row_group_size=20),
             "xlsx": lambda: frame.to_excel(path, index=False),
             "jsonl": lambda: frame.to_json(path, orient="records", lines=True),
             "json": lambda: frame.to_json(path, orient="records")}  # fmt: skip
    write[kind]()
    parts = list(read_batches(str(path), rows_per_batch=40))
    assert [len(part) for part in parts] == [40, 40, 10]
    assert read_all_frames(iter(parts), ReadReport()).equals(read_source(str(path)))
    assert read_source(str(path)).t.isna().sum() == 30


def test_records_with_other_fields_later_are_one_table(put):
    lines = [json.dumps({"a": n} | ({"late": "x"} if n == 199 else {})) for n in range(200)]
    parts = list(read_batches(put("x.jsonl", "\n".join(lines)), rows_per_batch=50))
    assert all(list(part) == ["a", "late"] for part in parts)


CUTS = st.lists(st.integers(1, 30), min_size=1, max_size=6)


@settings(max_examples=30)
@given(CUTS, st.integers(1, 100), st.integers(0, 99))
def test_a_sample_does_not_know_how_the_stream_was_cut(cuts, rows, seed):
    frame = pd.DataFrame({"n": range(sum(cuts)), "t": [str(n) for n in range(sum(cuts))]})
    edges = [sum(cuts[:place]) for place in range(len(cuts) + 1)]
    parts = [frame[start:end] for start, end in zip(edges, edges[1:], strict=False)]
    sample, total = sample_frames(iter(parts), rows, seed)
    assert total == len(frame) and sample.equals(sample_frames(iter([frame]), rows, seed)[0])
    assert sample.n.is_monotonic_increasing and len(sample) == min(rows, total)


@settings(max_examples=30)
@given(CUTS, st.integers(5, 50))
def test_parts_of_one_length_hold_the_same_rows(cuts, rows):
    parts = [pd.DataFrame({"n": range(cut), "t": ["x"] * cut}) for cut in cuts]
    again = list(rebatch(iter(parts), rows))
    assert pd.concat(again).n.tolist() == pd.concat(parts).n.tolist()
    assert all(len(part) == rows for part in again[:-1])


def test_every_row_is_as_likely_in_a_sample():
    frame = pd.DataFrame({"n": range(1000)})
    drawn = pd.concat([sample_frames(iter([frame[:400], frame[400:]]), 100, seed)[0] for seed in range(60)]).n
    assert drawn.max() > 950 and drawn.nunique() > 950
    assert [abs(drawn.between(low, low + 99).sum() - 600) < 120 for low in range(0, 1000, 100)] == [True] * 10


def test_what_does_not_fit_into_memory_is_refused_with_the_way_out(put, monkeypatch):
    class Memory:
        available = 3_000

    path = put("x.csv", TABLE)
    monkeypatch.setattr("psutil.virtual_memory", lambda: Memory)
    said = refused(path)
    assert said.startswith("the table needs 0.0 GB more of memory") and "-p collect.rows=" in said
    assert len(read_source(path, rows=3)) == 3


# ---------------------------------------- text
@pytest.mark.parametrize("text, cells", [
    ("a;b\n'x;y';'it''s'\n'z';'w'\n", [["x;y", "it's"], ["z", "w"]]),
    ("a,b\nO'Neill,it's\n", [["O'Neill", "it's"]]),
    ("a,b\n'tis,x\n", [["'tis", "x"]]),
    ('a,b\n"say \\"hi, you\\"",1\n"x",2\n', [['say "hi, you"', "1"], ["x", "2"]]),
    ('a,b\n"C:\\dir\\",1\n', [["C:\\dir\\", "1"]]),
    ("sep=;\na;b\n1,5;2\n", [["1,5", "2"]]),
    ("Sales of May\n\na,b\nx,1\ny,2\n", [["x", "1"], ["y", "2"]]),
    ("Report,,\nshop,sold,kind\nx,1,q\ny,2,r\n", [["x", "1", "q"], ["y", "2", "r"]]),
    ("# made by hand\na\tb\nx\t1\ny\t2\n", [["x", "1"], ["y", "2"]]),
    ("#id,b\nx,1\ny,2\n", [["x", "1"], ["y", "2"]]),
    (",name\na,Bob\nb,Al\n", [["a", "Bob"], ["b", "Al"]]),
])  # fmt: skip
def test_text_is_read_as_it_is_meant(put, text, cells):
    assert read_source(put("x.csv", text)).values.tolist() == cells


def test_lines_above_the_header_are_told_and_counted(put):
    data, origin = collect(put("x.csv", "Sales of May\n\na,b\nx,1\ny,2\n"))
    assert describe_snapshot(data, origin).endswith(", without 2 lines above the header")
    assert refused(put("y.csv", "Sales of May\n\na,b\nx,1\ny,2\nz,3,4\n" + "y,2\n" * 9)) == (
        "y.csv: line 6 has 3 fields where the header has 2; "
        "mend the file, or quote cells that contain the delimiter"
    )


def test_a_cell_of_ten_megabytes_is_a_cell(put):
    read = read_source(put("x.csv", "a,b\n1,x\n2," + "y" * 10_000_000 + "\n3,z\n"))
    assert read.b.str.len().tolist() == [1, 10_000_000, 1] and read.a.tolist() == ["1", "2", "3"]
    quoted = read_source(put("y.csv", 'a,b\n1,x\n2,"' + "y\n" * 5_000_000 + '"\n3,z\n'))
    assert quoted.b.str.len().tolist() == [1, 10_000_000, 1]


def test_an_uneven_row_behind_a_long_cell_is_still_found(put):
    said = refused(put("x.csv", "a,b\n2," + "y" * 6_000_000 + "\n" + "3,z\n" * 10 + "1,2,3\n"))
    assert said.startswith("x.csv: line 13 has 3 fields where the header has 2")


LINES = [f"{n},Köln\n" for n in range(40)]


@pytest.mark.parametrize("parts, said", [
    ([("utf-8", LINES), ("cp1252", ["40,Münster\n"])], "line 42 is not UTF-8 while 40 other lines are"),
    ([("utf-8", LINES), ("cp932", ["40,東京\n"])], "line 42 is not UTF-8 while 40 other lines are"),
    ([("cp932", [f"{n},テスト\n" for n in range(40)]), ("cp1252", ["40,café\n"])],
     "line 42 is not CP932 while 40 other lines are"),
    ([("cp932", [f"{n},東京\n" for n in range(9)]), ("utf-8", [f"{n},大阪\n" for n in range(9)])],
     "line 2 is not UTF-8 while 9 other lines are"),
])  # fmt: skip
def test_two_encodings_in_one_file_do_not_pass(put, parts, said):
    raw = b"id,city\n" + b"".join("".join(lines).encode(encoding) for encoding, lines in parts)
    assert refused(put("x.csv", raw)).startswith(f"x.csv: {said}: the file mixes encodings")


def test_a_zero_byte_is_named_with_its_line(put):
    said = refused(put("x.csv", b"a,b\n" + b"1,2\n" * 60 + b"3,\0\n"))
    assert said.startswith("x.csv: line 62 has a byte of value zero (NUL)")


def test_huge_and_infinite_numbers_stay_text(put):
    cells = ["inf", "-Infinity", "1e400", "9" * 400, "NaN"]
    assert read_source(put("x.csv", "a,b\n" + "".join(f"{cell},1\n" for cell in cells))).a.tolist() == cells


def test_a_name_of_ten_thousand_letters_is_shown_short(put):
    long = "n" * 10_000
    path = put("x.csv", f"{long},b\n1,2\n")
    assert list(read_source(path)) == [long, "b"]
    assert len(refused(put("y.csv", f"{long},{long}\n1,2\n"))) < 200
    assert len(refused(put("z.csv", f"{long}\n1\n"))) < 250


# ---------------------------------------- files and folders
def zipped(raw: bytes) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.csv", raw)
    return whole.getvalue()


def zstandard(raw: bytes) -> bytes:
    import pyarrow as pa

    return pa.compress(raw, "zstd", asbytes=True)


PACK = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zip": zipped}


@pytest.mark.parametrize("ending", [*PACK, "zst"])
def test_packed_files_are_unpacked_on_the_way(put, tmp_path, ending):
    if ending == "zst":
        import pyarrow as pa

        with pa.output_stream(str(tmp_path / "x.csv.zst"), compression="zstd") as file:
            file.write(TABLE.encode())
    else:
        put(f"x.csv.{ending}", PACK[ending](TABLE.encode()))
    whole = read_source(put("y.csv", TABLE))
    assert data_hash(read_source(str(tmp_path / f"x.csv.{ending}"))) == data_hash(whole)


@pytest.mark.parametrize("ending", PACK)
def test_a_zip_bomb_is_refused(put, monkeypatch, ending):
    monkeypatch.setattr(archives, "_SAFE_UNPACKED_BYTES", 2**20)
    said = refused(put(f"x.csv.{ending}", PACK[ending](b"a,b\n" + b"1,2\n" * 500_000)))
    assert said == (f"x.csv.{ending}: this unpacks to more than 200 times its size, as only a zip bomb does; "
                    f"unpack it yourself if you trust it")  # fmt: skip


def test_a_packed_parquet_file_is_unpacked_to_be_read(put, tmp_path):
    pd.DataFrame({"a": [1, 2], "b": [3, 4]}).to_parquet(tmp_path / "x.parquet")
    path = put("x.parquet.gz", gzip.compress((tmp_path / "x.parquet").read_bytes()))
    assert read_source(path).a.tolist() == [1, 2]


def test_half_an_archive_is_an_error(put):
    assert "is the file complete" in refused(put("x.csv.gz", gzip.compress(TABLE.encode() * 50)[:-200]))


def test_a_folder_is_one_table_in_the_order_of_names(put, tmp_path):
    put("sales/2.csv", "a,b\n3,4\n")
    put("sales/1.csv", "b;a\nü;1\n".encode("cp1252"))
    put("sales/notes.doc", "nothing")
    put("sales/.hidden.csv", "x")
    data, origin = collect(str(tmp_path / "sales"))
    assert data.values.tolist() == [["ü", "1"], ["4", "3"]] and list(data) == ["b", "a"]
    assert origin.files == 2 and origin.bytes == 16
    assert describe_snapshot(data, origin).startswith("2 rows x 2 columns read from 2 files of sales")
    assert read_source(str(tmp_path / "sales" / "*.csv")).equals(data)
    assert read_source(str(tmp_path / "**" / "[12].csv")).equals(data)


@pytest.mark.parametrize("second, said", [
    ("a,c\n1,2\n", "2.csv lacks 'b' and has 'c' more, unlike 1.csv"),
    ("a,b,c\n1,2,3\n", "2.csv has 'c' more, unlike 1.csv"),
    ("a,z\n", "2.csv lacks 'b' and has 'z' more, unlike 1.csv"),
])  # fmt: skip
def test_files_that_differ_in_columns_are_no_table(put, tmp_path, second, said):
    put("1.csv", "a,b\n1,2\n")
    put("2.csv", second)
    assert refused(str(tmp_path / "*.csv")) == f"{said}; files that make one table need the same columns"


def test_a_folder_without_tables_says_what_it_wants(tmp_path):
    assert "is a folder without tables" in refused(str(tmp_path))


def test_a_sheet_can_be_chosen(tmp_path):
    with pd.ExcelWriter(tmp_path / "x.xlsx") as book:
        for name in ("first", "second"):
            pd.DataFrame({"a": [name], "b": [1]}).to_excel(book, sheet_name=name, index=False)
    assert read_source(str(tmp_path / "x.xlsx"), sheet="second").a[0] == "second"
    said = refused(str(tmp_path / "x.xlsx"), sheet="secnd")
    assert said == "x.xlsx: there is no sheet 'secnd'; did you mean 'second'?"


# ---------------------------------------- the web
class Answers(BaseHTTPRequestHandler):
    """A web server with a good page and all the bad ones."""

    seen: list[str] = []

    def do_GET(self) -> None:
        self.seen.append(self.path)
        name = self.path.partition("?")[0].strip("/")
        if name.isdecimal():
            return self.send_error(int(name))
        if name == "slow.csv":
            time.sleep(2)
        raw = b"<html></html>" if name == "page" else TABLE.encode()
        if name == "x.csv.gz":
            raw = gzip.compress(raw)
        kinds = {"page": "text/html", "export": "text/csv; charset=utf-8"}
        self.send_response(200)
        self.send_header("Content-Type", kinds.get(name, "application/octet-stream"))
        self.send_header("Content-Length", str(len(raw) + (500 if name == "short.csv" else 0)))
        if name == "named":
            self.send_header("Content-Disposition", 'attachment; filename="sales.csv"')
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *arguments) -> None: ...


class Server(ThreadingHTTPServer):
    def handle_error(self, *arguments) -> None:
        """Who asked did not wait for the answer."""


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    server = Server(("127.0.0.1", 0), Answers)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.mark.parametrize("page", ["x.csv", "export", "named", "x.csv.gz", "x.csv?year=2026"])
def test_a_table_on_the_web_is_read(web, put, page):
    data, origin = collect(f"{web}/{page}")
    assert data.equals(read_source(put("y.csv", TABLE)))
    assert origin.source == f"{web}/{page}" and origin.sha256


@pytest.mark.parametrize("page, said", [
    ("404", " is not there (HTTP 404); check the address"),
    ("410", " is gone (HTTP 410); check the address"),
    ("401", " wants a login (HTTP 401); put an address that holds the key into an environment variable, "
     "and write env:NAME"),
    ("500", " fails at its server (HTTP 500); try again later"),
    ("503", " fails at its server (HTTP 503); try again later"),
    ("400", " is refused by its server (HTTP 400); check the address"),
    ("page", " is a web page and no table; check the address"),
    ("thing", ": neither its ending nor its type (application/octet-stream) tells what it is; "
     "download it, and give it an ending such as .csv"),
    ("short.csv", " broke off before its end; try again"),
    ("slow.csv", " does not answer within 0.3 s; try again, or download it by hand"),
])  # fmt: skip
def test_what_the_web_does_not_give_is_told_in_a_line(web, monkeypatch, page, said):
    monkeypatch.setattr(downloads, "_HTTP_TIMEOUTS", (0.3, 0.3))
    assert refused(f"{web}/{page}?q=secret") == f"{web}/{page}{said}"


def test_a_server_that_is_not_there(caplog):
    said = refused("http://127.0.0.1:9/x.csv?q=hidden")
    assert said.startswith("http://127.0.0.1:9/x.csv cannot be reached (connection refused)")
    assert "hidden" not in caplog.text


def test_a_download_does_not_fill_the_disk(web, monkeypatch):
    monkeypatch.setattr(downloads, "_MIN_FREE_BYTES", 10**18)
    assert "and the disk for temporary files has" in refused(f"{web}/x.csv")


# ---------------------------------------- secrets
SECRET_ONES = [
    "https://ada:geheim@host/x.csv", "https://geheim@host/x.csv", "https://host/x.csv?sig=geheim",
    "https://host/x.csv?X-Amz-Signature=geheim&a=b", "https://host/x.csv?access_token=geheim",
    "https://host/x.csv?api_key=geheim", "postgresql://ada:geheim@host/db", "mysql+pymysql://a:geh%40eim@host/db",
    "postgresql://host/db?password=geheim", "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3Dgeheim",
]  # fmt: skip


@pytest.mark.parametrize("address", SECRET_ONES)
def test_an_address_with_a_secret_is_refused_before_anything_is_written(address, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for source_, join in ((address, ""), ("example:wine", f"{address} on id")):
        said = refused(source_, join=join)
        assert "env:SALES" in said and "geheim" not in said
        overrides = [f"collect.join={join}"] if join else []
        parameters = collect_parameters(None, source_, "x", overrides)
        with pytest.raises(SettingsError, match="env:SALES"):
            default_run_name(parameters, None)
        with pytest.raises(SettingsError, match="env:SALES"):
            precheck_source(parameters)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("address", [
    "https://host/x.csv?year=2026&keyword=a&signed=no", "postgresql://ada@host/db", "sqlite:////srv/a:b@c/x.db",
    "s3://bucket/key=1/x.csv", "example:wine", "data/secret.csv", "data/password=1/x.csv",
])  # fmt: skip
def test_an_ordinary_address_holds_no_secret(address):
    assert not place.holds_secret(address)


def test_a_secret_in_the_environment_is_seen_by_nobody(web, tmp_path, monkeypatch):
    monkeypatch.setenv("SALES_TABLE", f"{web}/x.csv?sig=geheim")
    run_in_process(tmp_path / "run", list_stages()["collect"], {"source": "env:SALES_TABLE"})
    assert "/x.csv?sig=geheim" in Answers.seen
    for path in (tmp_path / "run").rglob("*"):
        assert path.is_dir() or b"geheim" not in path.read_bytes()
    record = read_journal(tmp_path / "run")["stages"]["collect"]
    assert record["summary"].startswith("200 rows x 3 columns read from env:SALES_TABLE as UTF-8")
    monkeypatch.setenv("SALES_TABLE", f"{web}/404?sig=geheim")
    assert refused("env:SALES_TABLE") == "env:SALES_TABLE is not there (HTTP 404); check the address"
    monkeypatch.setenv("SALES_TABLE", "postgresql://ada:geheim@127.0.0.1:9/db")
    assert "geheim" not in refused("env:SALES_TABLE", query="select 1")


# ---------------------------------------- databases
@pytest.fixture
def shop(tmp_path) -> str:
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("create table sales (id integer, city text, price real, day date, note)")
        rows = [(n, f"c{n % 3}", n / 2 if n % 5 else None, "2026-05-01", 1 if n else "x") for n in range(100)]
        connection.executemany("insert into sales values (?, ?, ?, ?, ?)", rows)
        connection.execute("create view big as select * from sales where id > 90")
        connection.execute('create table "odd name" (a, b)')
    connection.close()
    return f"sqlite:///{tmp_path}/shop.db"


def test_a_database_gives_tables_views_and_queries(shop):
    assert read_source(shop, query="sales").shape == (100, 5)
    assert len(read_source(shop, query="big")) == 9
    grouped = read_source(shop, query="SELECT city, count(*) AS n FROM sales GROUP BY city;")
    assert grouped.n.tolist() == [34, 33, 33]
    signs = "select id, city from sales where city like 'c%' and city <> ':x'"
    assert len(read_source(shop, query=signs)) == 100
    read = read_source(shop, query="sales")
    assert read.id.dtype.kind == "i" and read.price.dtype.kind == "f" and read.price.isna().sum() == 20
    assert read.note.tolist() == ["x"] + ["1"] * 99


def test_a_stream_from_a_database_is_the_same_table(shop):
    parts = list(
        databases.database_frames(
            place.parse_location(shop), file_formats.ReadOptions("sales"), ReadReport(), rows=7
        )
    )
    assert [len(part) for part in parts[:2]] == [7, 7]
    assert read_all_frames(iter(parts), ReadReport()).equals(read_source(shop, query="sales"))


@pytest.mark.parametrize("query, said", [
    ("", "collect.query is empty; give SELECT ..., or a table; there are odd name, sales, big"),
    ("slaes", "there is no table 'slaes'; did you mean 'sales'?"),
    ("delete from sales", "collect.query is SELECT ... or the name of a table, and not 'delete from sales'"),
    ("select nobody from sales",
     "the database says: no such column: nobody; check the address, and collect.query"),
    ("select * form sales",
     'the database says: near "form": syntax error; check the address, and collect.query'),
    ("select id, id from sales", "two columns have the same name: 'id'; rename one of them"),
    ("select id from sales", "there is one column only, 'id'; ask for more in collect.query"),
    ("select id, city from sales where id < 0", "the query gives no row; check collect.query"),
    ("odd name", "the query gives no row; check collect.query"),
])  # fmt: skip
def test_a_query_that_cannot_be_answered(shop, query, said):
    assert refused(shop, query=query).removeprefix("shop.db: ") == said


@pytest.mark.parametrize("address, said", [
    ("sqlite:////nowhere/shop.db", "no such file: sqlite:////nowhere/shop.db; check the path"),
    ("mysql://host/db", "mysql://host/db needs a driver: pip install mysqlclient"),
    ("snowflake://host/db", "snowflake://host/db needs a driver: pip install snowflake-sqlalchemy"),
    ("nonsense://host/db", "nonsense:// is not known; give a file, https://, s3://, gs://, az://, "
     "or the address of a database, such as postgresql://"),
])  # fmt: skip
def test_a_database_that_is_not_there(address, said):
    assert refused(address, query="x") == said
    with pytest.raises(MLKitError) as caught:
        precheck_source(collect_parameters(None, address, "x", []))
    assert str(caught.value) == said


# ---------------------------------------- object stores
@pytest.fixture
def bucket(store) -> str:
    "A bucket with tables."
    for name in ("x.csv", "months/1.csv", "months/2.csv"):
        store.put_object(Bucket="sales", Key=name, Body=TABLE.encode())
    return "s3://sales"


def test_a_table_in_a_bucket_is_read(bucket, put):
    whole = read_source(put("y.csv", TABLE))
    assert read_source(f"{bucket}/x.csv").equals(whole)
    for many in ("months/*.csv", "months"):
        data, origin = collect(f"{bucket}/{many}")
        assert len(data) == 400 and origin.files == 2


def test_what_a_store_does_not_have_is_told(bucket):
    assert refused(f"{bucket}/y.csv") == "s3://sales/y.csv is not there; check the address"
    assert refused(f"{bucket}/y/*.csv") == "s3://sales/y/*.csv: there is no table; check the address"
    assert refused("s3://slaes/x.csv") in (
        "s3://slaes/x.csv: there is no such bucket; check the address",
        "s3://slaes/x.csv is not there; check the address",
    )


def test_a_store_without_credentials_says_which(bucket, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert refused(f"{bucket}/x.csv") == (
        "s3://sales/x.csv: there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )


def test_a_store_whose_package_is_missing(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    said = "gs:// needs the package gcsfs: pip install gcsfs"
    assert refused("gs://bucket/x.csv") == said
    with pytest.raises(DataError, match="pip install"):
        precheck_source(collect_parameters(None, "gs://bucket/x.csv", "x", []))


# ---------------------------------------- openml
def test_openml_is_asked_for_a_number_and_tells_when_offline(monkeypatch):
    from urllib.error import URLError

    def offline(**asked):
        raise URLError("no network")

    monkeypatch.setattr("sklearn.datasets.fetch_openml", offline)
    said = "openml:61 cannot be fetched (<urlopen error no network>); check the network"
    assert refused("openml:61") == said
    assert refused("openml:iris") == "openml:iris is no number of a table; write one such as openml:61"


def test_openml_gives_a_table(monkeypatch):
    class Bunch:
        frame = pd.DataFrame({"a": [1, 2], "class": pd.Categorical(["x", "y"])})

    monkeypatch.setattr("sklearn.datasets.fetch_openml", lambda **asked: Bunch)
    assert read_source("openml:61")["class"].tolist() == ["x", "y"]


# ---------------------------------------- joins
def test_a_join_keeps_rows_and_order_and_says_what_it_did(put, tmp_path):
    first = put("orders.csv", "order,customer,city\n1, 7,Kyoto\n2,8,Nara\n3,7.0,Kobe\n4,,Uji\n5,99,Otsu\n")
    put("people.csv", "id;city;age\n8;Nara;44\n7;Osaka;31\n")
    put("cities.jsonl", '{"city": "Nara", "size": 35}\n{"city": "Kobe", "size": 150}\n')
    join = f"{tmp_path}/people.csv on customer = id | {tmp_path}/cities.jsonl on city"
    data, origin = collect(first, join=join)
    assert list(data) == ["order", "customer", "city", "city_people", "age", "size"]
    assert data.order.tolist() == ["1", "2", "3", "4", "5"]
    assert data.age.fillna("-").tolist() == ["31", "44", "31", "-", "-"]
    figures = ("rows_before", "rows_after", "partners", "columns")
    did = [tuple(each[name] for name in figures) for each in origin.joins]
    assert did == [(5, 5, 0.6, 2), (5, 5, 0.4, 1)]
    told = make_snapshot(data, origin)
    assert json.loads(json.dumps(told)) == told and told["joins"][0]["on"] == "customer = id"
    assert "joined with people.csv (60.0% of the rows)" in describe_snapshot(data, origin)


def test_several_keys_must_all_agree(put, tmp_path):
    first = put("a.csv", "shop,year,x\nA,2025,1\nA,2026,2\nB,2026,3\n")
    put("b.csv", "year,shop,y\n2026,A,k\n2025,B,l\n")
    read = read_source(first, join=f"{tmp_path}/b.csv on shop, year")
    assert read.y.fillna("-").tolist() == ["-", "k", "-"]


@pytest.mark.parametrize("second, on, said", [
    ("id,y\n1,a\n1,b\n2,c\n", "id", "b.csv: 1 row of 3 repeat a key in 'id' and would multiply rows; "
     "make it the first source, or aggregate it"),
    ("id,y\nA-100,a\nA-200,b\n", "id", "b.csv: no row finds a partner on id: keys look like 9 in the first "
     "table and like A-999 here; check collect.join"),
    ("key,y\n1,a\n", "id", "no column 'id' in b.csv (collect.join); it has key, y"),
    ("id,y\n1,a\n", "ID", "no column 'ID' in b.csv (collect.join); did you mean 'id'?"),
    ("id,y\n1,a\n", "idd = id",
     "no column 'idd' in the first table (collect.join); did you mean 'id'?"),
])  # fmt: skip
def test_a_join_that_would_ruin_the_table_is_refused(put, tmp_path, second, on, said):
    put("b.csv", second)
    assert refused(put("a.csv", "id,x\n1,2\n2,3\n"), join=f"{tmp_path}/b.csv on {on}") == said


@pytest.mark.parametrize("join", ["b.csv", "b.csv on", " on id", "b.csv on id =", "b.csv on id,,x"])
def test_a_join_that_cannot_be_understood(put, join):
    assert "does not say its key; write SOURCE on KEY" in refused(put("a.csv", "id,x\n1,2\n"), join=join)


# ---------------------------------------- the run
def test_a_folder_is_watched_and_the_hash_tells_what_is_new(put, tmp_path):
    run, stage = tmp_path / "run", list_stages()["collect"]
    put("sales/1.csv", "a,b\n1,2\n")
    values = {name: each.default for name, each in stage.parameters.items() if name != "run"}
    values |= {"source": str(tmp_path / "sales"), "join": f"{tmp_path}/more.csv on a"}
    put("more.csv", "a,c\n1,9\n")

    def again() -> str:
        run_in_process(run, stage, values)
        return read_journal(run)["stages"]["collect"]["summary"]

    assert "same data" not in again() and not reason_to_run(run, stage, values)
    put("sales/2.csv", "a,b\n1,4\n")
    assert reason_to_run(run, stage, values) == "the files of sales changed"
    assert again().endswith("; the data changed: 1 row x 3 columns -> 2 rows x 3 columns")
    put("more.csv", "a;c\n1;9\n")
    assert reason_to_run(run, stage, values) == "more.csv changed"
    assert again().endswith("; the same data as before")
    put("more.csv", "a,c\n1,8\n")
    assert again().endswith("; the data changed: as many rows and columns, other cells")
    (tmp_path / "sales" / "2.csv").unlink()
    assert reason_to_run(run, stage, values)


def test_what_cannot_be_watched_is_collected_each_time(web, tmp_path):
    run, stage = tmp_path / "run", list_stages()["collect"]
    values = {name: each.default for name, each in stage.parameters.items() if name != "run"}
    values |= {"source": f"{web}/x.csv"}
    run_in_process(run, stage, values)
    before = read_journal(run)["artifacts"]
    assert reason_to_run(run, stage, values) == "its source may have changed"
    run_in_process(run, stage, values)
    assert read_journal(run)["artifacts"] == before
    assert read_journal(run)["stages"]["collect"]["summary"].endswith("; the same data as before")


@pytest.mark.parametrize("source_, name", [
    ("data/sales.csv.gz", "sales"), ("https://host/a/x.csv?y=1", "x"), ("env:SALES", "SALES"),
    ("openml:61", "openml-61"), ("example:wine", "wine"), ("data/2026-*.csv", "2026"),
    ("postgresql://host/shop", "shop"), ("data/", "data"),
])  # fmt: skip
def test_a_run_is_named_after_its_table(source_, name):
    assert default_run_name({"collect": {"source": source_, "join": ""}}, None) == name
