"""Do `mlkit score` and a server say the same of whatever comes, and does neither ever break?

By hand: `python tests/bench/fuzz.py SECONDS` (default 900). A model of every kind of column, whose answer tells each
input apart. Rows of mixed JSON are drawn; the real command scores them as JSON lines, as CSV and as Parquet, and the
real server is asked for them by each protocol, all together and one by one. Counted: tracebacks, answers of 500 and
more, and rows of which the two say different things (answered or rejected, and what was predicted).
"""

import contextlib
import csv
import io
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from onnx import TensorProto, helper, numpy_helper

from mlkit.data.column_spec import ColumnSpec
from mlkit.data.schema import Rule, Schema
from mlkit.data.table_spec import TableSpec
from mlkit.inference.row_reader import is_text_input
from mlkit.inference.signing import make_signing_key, sign_package
from mlkit.serving.client import ServerClient, running_server
from mlkit.task.task import Task

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 900.0
TABLE = TableSpec(
    (
        ColumnSpec("age", "number", missing=("", "n/a", "-999")),
        ColumnSpec("length", "number", unit="h", units={"min": 1 / 60}),
        ColumnSpec("price", "number", decimal=","),
        ColumnSpec("member", "boolean"),
        ColumnSpec("since", "date", date_order="day", has_time=True),
        ColumnSpec("plan", "category", categories=("basic", "pro", "1", "True"), other_category="basic"),
        ColumnSpec("city", "category", categories=("Bern", "9007199254740993", "0")),
        ColumnSpec("note", "text", parts=("characters", "words")),
    )
)
SCHEMA = Schema(
    {
        "age": Rule("number", low=0, high=120),
        "length": Rule("number"),
        "plan": Rule("category", categories=("basic", "pro", "1")),
        "note": Rule("text", missing=0),
    },
    serving={"missing_column": "warn"},
)
TASK = Task("y", "regression", "rmse", "minimize", [], "", 0.0, 1.0, 1.0, "", "a number")
NAMES = [column.name for column in TABLE.columns]
CELLS: list[Any] = [
    None, True, False, 0, 1, -1, 5, 41, -999, 0.0, -0.0, 1.0, 2.5, 1e308, 2**53, 2**53 + 1, 2**63, 2**70,
    -(10**30), 10**60, 10**400, 1e-320, float("inf"), 1580688000, 1580688000123, "", " ", "42", "4.5", "4,5",
    "1.234,5", "-999", "90 min", "2h", "1:30", "5", "yes", "no", "TRUE",
    "True", "0", "-0.0", "n/a", "2020-02-03", "25/12/2020", "12/25/2020", "03/04/2020 10:00", "basic", "PRO", "1",
    "1.0", "bern", "９", "１２", "1e400", "null", "see you", "=1+1", "\u200b", "a\nb", '"', "𝕏",
]  # fmt: skip


def make_package(folder: Path) -> Path:
    """A model whose answer is a weighted sum of all its inputs, each with a weight of its own."""
    kinds = [*TABLE.input_kinds.values()]
    words = sum(map(is_text_input, kinds))
    numbers, node = len(kinds) - words, helper.make_node
    weights = np.linspace(0.3, 1.7, numbers)[:, None]
    known = ["", "basic", "pro", "1", "True", "Bern", "9007199254740993", "0"]
    nodes = [
        node("IsNaN", ["numbers"], ["gone"]), node("Clip", ["numbers", "low", "high"], ["clipped"]),
        node("Where", ["gone", "usual", "clipped"], ["filled"]),
        node("LabelEncoder", ["words"], ["codes"], domain="ai.onnx.ml", keys_strings=known,
             values_floats=[float(3 * code) for code in range(len(known))], default_float=77.0),
        node("MatMul", ["filled", "weights"], ["sum"]), node("MatMul", ["codes", "shares"], ["more"]),
        node("Add", ["sum", "more"], ["output"]),
    ]  # fmt: skip
    constants = {"usual": [-7.7], "weights": weights, "shares": np.linspace(1, 2, words)[:, None]}
    stored = [numpy_helper.from_array(np.array(value, np.float32), name) for name, value in constants.items()]
    stored += [
        numpy_helper.from_array(np.float32(value), name) for name, value in (("low", -1e6), ("high", 1e6))
    ]
    tensor = helper.make_tensor_value_info
    inputs = [
        tensor("numbers", TensorProto.FLOAT, [None, numbers]),
        tensor("words", TensorProto.STRING, [None, words]),
    ]
    output = [tensor("output", TensorProto.FLOAT, [None, 1])]
    graph = helper.make_graph(nodes, "sum", inputs, output, stored)
    versions = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    folder.mkdir(parents=True)
    model = helper.make_model(graph, opset_imports=versions, ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    facts: dict[str, Any] = {
        "problem": {"task": TASK.to_dict(), "threshold": 0.5, "personal": []}, "table": TABLE.to_dict(),
        "schema": SCHEMA.to_dict(), "metrics": {"metric": "rmse", "score": 1.0},
        "background": {"columns": {name: ["1"] for name in NAMES}},
    }  # fmt: skip
    for name, value in facts.items():
        (folder / f"{name}.json").write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    sign_package(
        folder, {"name": "sums", "data": {"rows": 1}, "model": {"family": "linear", "task": "regression"}}
    )
    return folder


def to_json(value: Any) -> str:
    """JSON, where a number that no float can hold is written with its digits."""
    return json.dumps(value).replace("Infinity", "1e400")


def draw_rows(draw: random.Random) -> list[dict[str, Any]]:
    """Some rows; in half of the tables every column is of one type, in a quarter rows lack columns."""
    names = draw.sample(NAMES, draw.randint(2, len(NAMES)))
    pools: dict[str, list[Any]] = dict.fromkeys(names, CELLS)
    if draw.random() < 0.5:
        for name in names:
            kind = type(draw.choice(CELLS[1:]))
            pools[name] = [cell for cell in CELLS if type(cell) is kind] + [None]
    odd = draw.random() < 0.25
    rows = [{name: draw.choice(pools[name]) for name in names} for _ in range(draw.randint(1, 8))]
    return [
        {name: cell for name, cell in row.items() if not odd or draw.random() < 0.8} or row for row in rows
    ]


Answers = list[float | None] | None  # a number a row, None: rejected; None in all: refused as a whole


class Fuzz:
    """What happens, counted."""

    def __init__(self, package: Path, client: ServerClient, desk: Path):
        self.package, self.client, self.desk = package, client, desk
        self.counts, self.examples = Counter[str](), list[str]()
        self.refusal = ""  # what the server said to the last request that it refused

    def score(self, source: Path, many: int) -> Answers:
        """What the command answers."""
        from mlkit.cli.main import main

        out = self.desk / "out.parquet"
        said = io.StringIO()
        sys.argv = ["mlkit", "score", str(self.package), str(source), str(out), "--overwrite", "--jobs", "1"]
        code: Any = 1
        try:
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
                main()
        except SystemExit as end:
            code = end.code
        except BaseException as error:
            self.note("tracebacks", f"{source.name}: {type(error).__name__}: {error}"[:200])
            return None
        self.counts[f"score of {source.suffix}"] += 1
        if code not in (0, None, 2) or "Traceback" in said.getvalue():
            self.note("tracebacks", f"{source.name}: exit {code}: {said.getvalue()[-300:]}")
        if code not in (0, None):
            return None
        answers = pd.read_parquet(out).set_index("row")["prediction"].to_dict()
        return [answers.get(number) for number in range(1, many + 1)]

    def ask(self, path: str, body: Any, key: str = "predictions") -> Answers:
        """What the server answers to rows."""
        heard = self.client.request("POST", path, to_json(body).encode())
        self.counts[f"POST {path}"] += 1
        if heard.status >= 500:
            self.note("answers of 500 and more", f"{path}: {heard.status}: {json.dumps(body)[:200]}")
        self.refusal = "" if heard.status == 200 else str(heard.value["error"])
        if heard.status != 200:
            return None
        if path == "/predict" and type(body) is dict:
            return [heard.value["prediction"]]
        if key == "outputs":
            return [*next(each["data"] for each in heard.value["outputs"] if each["name"] == "prediction")]
        return [each["prediction"] for each in heard.value["predictions"]]

    def compare_refusal(self, scored: list[float | None], rows: list[dict[str, Any]]) -> None:
        """The server names the first row that it rejects: the first one that the command rejects, too."""
        first = next((number for number, answer in enumerate(scored, 1) if answer is None), 0)
        where = f"row {first}: " if len(rows) > 1 else ""
        if not first or "learned" in self.refusal or not self.refusal.startswith(where):
            self.note("differences", f"row {first} of {json.dumps(rows)[:400]}: {self.refusal[:200]}")

    def note(self, what: str, example: str) -> None:
        self.counts[what] += 1
        if len(self.examples) < 40:
            self.examples.append(f"{what}: {example}")

    def compare(self, where: str, one: Answers, other: Answers, rows: list[dict[str, Any]]) -> None:
        """Note a difference. A request with one rejected row is refused, so rows count one by one."""
        if one is None or other is None:
            same = one is other
        else:
            pairs = zip(one, other, strict=True)
            same = all(
                (a is None) == (b is None) and (a is None or abs(a - b) <= 1e-5 * max(1, abs(a)))
                for a, b in pairs
            )
        if not same:
            self.note("differences", f"{where}: {one} and {other} of {json.dumps(rows)[:400]}")

    def round(self, draw: random.Random) -> None:
        rows = draw_rows(draw)
        names = list(dict.fromkeys(name for row in rows for name in row))
        if len(names) < 2:
            return
        source = self.desk / "new.jsonl"
        source.write_text("\n".join(map(to_json, rows)), encoding="utf-8")
        scored = self.score(source, len(rows))
        every = self.ask("/predict", rows)
        if scored is None:  # refused as a whole, for its convention: so does the server
            self.compare("refused", scored, every, rows)
        else:
            if every is None:
                self.compare_refusal(scored, rows)
            else:
                self.compare("together", scored, every, rows)
            for row, answer in zip(rows, scored, strict=True):
                alone = self.ask("/predict", row)
                # a row that stands alone may contradict a convention that others uphold
                if alone or answer is None or "learned" not in self.refusal:
                    self.compare("alone", [answer], alone or [None], [row])
            if every is not None:
                self.protocols(draw, rows, every)
        self.files(rows, names)

    def protocols(self, draw: random.Random, rows: list[dict[str, Any]], every: Answers) -> None:
        names = [*dict.fromkeys(name for row in rows for name in row)]
        self.compare("/invocations", every, self.ask("/invocations", {"dataframe_records": rows}), rows)
        if all(row.keys() == rows[0].keys() for row in rows):
            table = {"columns": names, "data": [[row[name] for name in names] for row in rows]}
            self.compare("split", every, self.ask("/invocations", {"dataframe_split": table}), rows)
            tensors = [{"name": name, "shape": [len(rows)], "datatype": "BYTES", "data": [row[name] for row in rows]}
                       for name in names]  # fmt: skip
            self.compare(
                "infer", every, self.ask("/v2/models/sums/infer", {"inputs": tensors}, "outputs"), rows
            )
        if draw.random() < 0.1:
            heard = self.client.request("POST", "/explain", to_json(rows[0]).encode())
            self.counts["POST /explain"] += 1
            if heard.status >= 500:
                self.note("answers of 500 and more", f"/explain: {heard.body[:200]!r}")

    def files(self, rows: list[dict[str, Any]], names: list[str]) -> None:
        """The same as text in CSV and in Parquet, against the server row by row."""
        texts = [{name: "" if row.get(name) is None else str(row[name]) for name in names} for row in rows]
        if any(not each.isprintable() for row in texts for each in row.values()):
            return
        frame, usual = pd.DataFrame(texts, dtype="str"), self.ask("/predict", texts)
        frame.to_parquet(self.desk / "new.parquet")
        found = {"parquet": self.score(self.desk / "new.parquet", len(rows))}
        if all(any(map(str.strip, row.values())) for row in texts):
            frame.to_csv(self.desk / "new.csv", index=False, quoting=csv.QUOTE_ALL)
            found["csv"] = self.score(self.desk / "new.csv", len(rows))
        for form, answers in found.items():
            if usual is not None or answers is None or None not in answers:
                self.compare(form, answers, usual, texts)


def main() -> None:
    with tempfile.TemporaryDirectory() as named:
        place = Path(named)
        os.environ["MLKIT_SIGNING_KEY"] = str(place / "signing" / "signing.key")
        make_signing_key(place / "signing" / "signing.key")
        package, seed = make_package(place / "sums"), int(time.time())
        with running_server(package, log=str(place / "log.db")) as server, closing(server.client()) as client:
            fuzz, draw = Fuzz(package, client, place), random.Random(seed)
            end, rounds = time.monotonic() + SECONDS, 0
            while time.monotonic() < end:
                fuzz.round(draw)
                rounds += 1
            words = server.output
            fuzz.counts["tracebacks"] += words.count("Traceback")
    print(f"seed {seed}, {SECONDS:g} s, {rounds:,} tables")
    for what in ("tracebacks", "answers of 500 and more", "differences"):
        print(f"{what}: {fuzz.counts.pop(what, 0):,}")
    print(", ".join(f"{what} {count:,}" for what, count in sorted(fuzz.counts.items())))
    print("\n".join(fuzz.examples[:20]))
    sys.exit(1 if fuzz.examples else 0)


if __name__ == "__main__":
    main()
