"""What other monitors say of the same streams; runs in an environment of their own: python monitor_peers.py FILE.npz

Each stream has its inputs as numbers, its errors, what the model said, and which rows were the reference. Told is one
line of JSON: {peer: {stream: [was there an alarm in this chunk?]}}. A peer that cannot be imported is left out.
"""

import json
import os
import sys
import warnings

import numpy as np

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"  # NannyML tells its maker of each use otherwise
warnings.filterwarnings("ignore")
CHUNK = 500


def river(stream):
    """Detectors of drift in the errors, which get each row's at once."""
    from river import drift

    makers = {
        "river ADWIN": drift.ADWIN, "river Page-Hinkley": drift.PageHinkley, "river DDM": drift.binary.DDM,
        "river HDDM_A": drift.binary.HDDM_A, "river HDDM_W": drift.binary.HDDM_W,
    } if hasattr(drift.binary, "HDDM_A") else {
        "river ADWIN": drift.ADWIN, "river Page-Hinkley": drift.PageHinkley, "river DDM": drift.binary.DDM,
        "river HDDM_A": drift.binary.HDDMA, "river HDDM_W": drift.binary.HDDMW,
    }  # fmt: skip
    for name, make in makers.items():
        detector, found = make(), []
        for loss in stream["reference_errors"]:
            detector.update(float(loss))
        for chunk in stream["errors"].reshape(-1, CHUNK):
            up = False
            for loss in chunk:
                detector.update(float(loss))
                up |= bool(detector.drift_detected)
            found.append(up)
        yield name, found


def nannyml(stream):
    """Tests of columns, and an estimate of accuracy without truths."""
    import nannyml as nml
    import pandas as pd

    names = [f"x{n}" for n in range(stream["inputs"].shape[1])]
    frames = []
    for part in ("reference_", ""):
        frame = pd.DataFrame(stream[part + "inputs"], columns=names)
        frame["said"], frame["score"] = stream[part + "said"], stream[part + "score"]
        frame["truth"] = np.where(stream[part + "errors"] > 0, 1 - frame["said"], frame["said"])
        frames.append(frame)
    reference, analysis = frames
    made = nml.UnivariateDriftCalculator(
        column_names=names, chunk_size=CHUNK, continuous_methods=["jensen_shannon"]
    )
    table = made.fit(reference).calculate(analysis).filter(period="analysis").to_df()
    alerts = table.loc[:, [column for column in table.columns if column[-1] == "alert"]]
    yield "NannyML, any column", alerts.any(axis=1).tolist()
    estimate = nml.CBPE(metrics=["accuracy"], y_true="truth", y_pred="said", y_pred_proba="score",
                        problem_type="classification_binary", chunk_size=CHUNK)  # fmt: skip
    table = estimate.fit(reference).estimate(analysis).filter(period="analysis").to_df()
    yield "NannyML CBPE", table[("accuracy", "alert")].astype(bool).tolist()


def alibi(stream):
    """Tests of columns with Bonferroni's correction."""
    from alibi_detect.cd import TabularDrift

    detector = TabularDrift(stream["reference_inputs"], p_val=0.05)
    chunks = stream["inputs"].reshape(-1, CHUNK, stream["inputs"].shape[1])
    yield "alibi TabularDrift", [bool(detector.predict(chunk)["data"]["is_drift"]) for chunk in chunks]


def main():
    told, stored = {}, np.load(sys.argv[1])
    for name in sorted({key.split("/")[0] for key in stored.files}):
        stream = {key.split("/")[1]: stored[key] for key in stored.files if key.startswith(name + "/")}
        for peer in (river, nannyml, alibi):
            try:
                for label, found in peer(stream):
                    told.setdefault(label, {})[name] = [bool(up) for up in found]
            except ImportError:
                continue
            except Exception as error:  # a peer that fails on one stream is told, and the others go on
                print(f"{peer.__name__} fails on {name}: {str(error).splitlines()[:1]}", file=sys.stderr)
    print("\n" + json.dumps(told))


if __name__ == "__main__":
    main()
