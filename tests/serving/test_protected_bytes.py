"""What the file of a protected log holds: little of each row, and no byte of those who were erased."""

import os
import time
from pathlib import Path

from mlkit.core.master_key import load_master_key, make_master_key
from mlkit.security.subject_keys import SubjectKeys
from mlkit.serving.prediction_log import (
    FeedbackRecord,
    PredictionRecord,
    RowFormat,
    ShadowRecord,
    new_id,
    open_log_database,
    resolve_log_url,
)
from mlkit.serving.sealed_log import LogSealer, delete_subject, pack_id
from mlkit.sources.examples import make_customers


def open_keys(folder: Path) -> SubjectKeys:
    make_master_key(folder / "master.key")
    return SubjectKeys(folder / "log.db.keys", load_master_key(str(folder / "master.key")), create=True)


def test_the_files_hold_no_byte_of_who_was_erased(tmp_path):
    keys, address = open_keys(tmp_path), resolve_log_url(str(tmp_path / "log.db"))
    sealer, engine, owners = LogSealer(keys), open_log_database(address), dict[str, str]()
    for batch in range(40):  # ids in no order move rows from page to page
        records, facts = [], (time.time(), "parcels", "1", ("weight", "note"))
        for at in range(50):
            id, who = os.urandom(16).hex(), f"person-{(batch * 7 + at) % 60}"
            owners[id], row = who, {"weight": batch, "note": f"the note of {who} {at}"}
            said = {"id": id, "prediction": "no", "probabilities": {"no": 0.75, "yes": 0.25}}
            records += [PredictionRecord(*facts, row, said, 0.01, who), FeedbackRecord(id, time.time(), "no"),
                        ShadowRecord(id, time.time(), "2", said, 0.01, "", who, "parcels")]  # fmt: skip
        sealer.write_records(engine, records)
    lost = keys.get("person-7")
    with engine.connect() as connection:
        select = "SELECT content FROM {} WHERE subject = ?"
        tables = ("sealed_predictions", "sealed_shadow_predictions")
        found = [connection.exec_driver_sql(select.format(name), (lost.pseudonym,)).all() for name in tables]
    hers = [pack_id(id) for id, who in owners.items() if who == "person-7"]
    secrets = [
        lost.pseudonym,
        lost.key,
        b"person-7",
        b"note of",
        *hers,
        *(row[0] for some in found for row in some),
    ]
    assert len(secrets) == 4 + 3 * len(hers) > 60
    before = b"".join(path.read_bytes() for path in tmp_path.glob("log.db*"))
    assert lost.pseudonym in before and all(id in before for id in hers)

    assert keys.erase("person-7")
    gone = delete_subject(engine, lost.pseudonym)  # with other connections open, as under a server
    assert [gone[name] for name in ("predictions", "feedback", "shadow_predictions")] == 3 * [len(hers)]
    files = {path.name: path.read_bytes() for path in tmp_path.glob("log.db*")}
    assert {"log.db", "log.db-wal", "log.db.keys"} <= files.keys()
    left = [(name, secret) for name, held in files.items() for secret in secrets if secret in held]
    assert not left
    engine.dispose()


def test_a_prediction_takes_200_bytes_at_most(tmp_path):
    table = make_customers(4_000, seed=1).drop(columns=["name", "email", "note", "churned"])
    owners = [f"{each}" for each in table.pop("customer_id")]
    words = {str(each) for name in table.select_dtypes("str") for each in table[name].unique()[:20]}
    format = RowFormat("customers", "1", tuple(table), ("no", "yes"), tuple(sorted(words)))
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    engine = open_log_database(resolve_log_url(str(tmp_path / "log.db")))
    sealer, sizes = LogSealer(open_keys(tmp_path)), []
    for start in range(0, 4_000, 100):
        records = []
        for at in range(start, start + 100):
            row = {name: each if type(each) in (int, float, str, type(None)) else str(each)
                   for name, each in rows[at].items()}  # fmt: skip
            share = (at * 0.618033988749895) % 1
            said = {"id": new_id(), "prediction": "no", "probabilities": {"no": share, "yes": 1 - share}}
            facts = (time.time(), "customers", "1", format.columns, row, said, 0.0012)
            records.append(PredictionRecord(*facts, owners[at % 500], format))
        sealer.write_records(engine, records)
        with engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            sizes.append(pages * connection.exec_driver_sql("PRAGMA page_size").scalar())
    engine.dispose()
    each = (sizes[-1] - sizes[19]) / 2_000
    assert 100 < each <= 200, each
