
from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from onnx import ModelProto, NodeProto, TensorProto, checker, compose, helper, numpy_helper
from sklearn.base import is_classifier
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    BaggingClassifier, BaggingRegressor, ExtraTreesClassifier, ExtraTreesRegressor,
    HistGradientBoostingClassifier, HistGradientBoostingRegressor,
    RandomForestClassifier, RandomForestRegressor)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import Binarizer, FunctionTransformer, MinMaxScaler, PowerTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mlkit.kit.calibration import Calibrator, FinalModel
from mlkit.kit.encode import DIGITS, Bounded, Neighbours
from mlkit.kit.ensemble import Ensemble
from mlkit.kit.errors import PackageError
from mlkit.kit.families import OnLogScale, lightgbm
from mlkit.kit.trees import Trees, histogram_trees, joined, light_trees, old_tree_node, sklearn_tree, tree_node

FLOAT, DOUBLE, WHOLE, WORD = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.STRING)

OPSET = 21  # of ONNX's own operators

class Graph:
    "An ONNX graph in the making. What it has computed already, it does not compute again."
    def __init__(
        self,
        ml: int = 5,  # version of the operators for trees and words; 3 for those of other converters
    ):
        self.ml, self.nodes = ml, list[NodeProto]()
        self.constants, self.done = dict[Any, TensorProto](), dict[Any, str]()

    def constant(self, values: np.ndarray) -> str:
        "The name of a constant."
        values = np.asarray(values)
        key = values.dtype.str, values.shape, values.tobytes()
        if key not in self.constants:
            self.constants[key] = numpy_helper.from_array(values, f"c{len(self.constants)}")
        return self.constants[key].name

    def add(self, operator: str, *inputs: Any, domain: str = "", outputs: int = 1, **attributes: Any) -> str:
        "The name of what an operator makes of tensors, by their names, and of constants."
        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        key = operator, *names, repr(attributes) if domain == "" else len(self.nodes)
        if key not in self.done:
            name = self.done[key] = f"t{len(self.nodes)}"
            made = [name, *(f"{name}.{more}" for more in range(1, outputs))]
            self.nodes.append(helper.make_node(operator, names, made, domain=domain, **attributes))
        return self.done[key]

    def cast(self, name: str, kind: int) -> str: return self.add("Cast", name, to=kind)
    def columns(self, name: str, places: Sequence[int]) -> str:
        "Some columns of a matrix."
        return self.add("Gather", name, np.array(places, dtype=np.int64), axis=1)
    def insert(self, model: ModelProto, x: str) -> str:
        "The last output of another graph, whose one input is `x`."
        if model.functions: raise PackageError("a graph with functions of its own cannot be taken in")
        made = compose.add_prefix(model, f"g{len(self.nodes)}.").graph
        self.nodes.append(helper.make_node("Identity", [x], [made.input[0].name]))
        self.nodes.extend(made.node)
        self.constants |= {each.name: each for each in made.initializer}
        return made.output[-1].name

    def look_up(self, tables: Sequence[np.ndarray], codes: str) -> str:
        "The entries of a table for each column."
        starts = np.cumsum([0, *map(len, tables)])[:-1]
        if len(tables) > 1: codes = self.add("Add", codes, starts)
        return self.add("Gather", np.concatenate(tables), codes)

    def beside(self, names: Sequence[str]) -> str:
        "Matrices side by side."
        return names[0] if len(names) == 1 else self.add("Concat", *names, axis=1)

class Encoded(NamedTuple):
    "What an encoder makes of the inputs. Its columns may stand in another order than scikit-learn's."
    name: str  # tensor (rows, columns)
    double: bool  # float64, else float32
    places: np.ndarray  # where scikit-learn's columns are

    def in_order(self, weights: np.ndarray) -> np.ndarray:  # (columns, outputs)
        "Weights of scikit-learn's columns as they are needed here."
        ordered = np.empty_like(weights, dtype=np.float64)
        ordered[self.places] = weights
        return ordered

def of_each(steps: Sequence[Any], name: str) -> np.ndarray:
    "A learned value of every column, of all steps one after the other."
    return np.concatenate([np.broadcast_to(getattr(step, name), step.n_features_in_) for step in steps])

def _fill(graph: Graph, x: str, steps: Sequence[SimpleImputer]) -> str:
    return graph.add("Where", graph.add("IsNaN", x), of_each(steps, "statistics_").astype(np.float32), x)

def _mark(graph: Graph, x: str, steps: Sequence[Binarizer]) -> str:
    return graph.cast(graph.add("Greater", x, of_each(steps, "threshold").astype(np.float32)), FLOAT)

def _bound(graph: Graph, x: str, steps: Sequence[Bounded]) -> str:
    return graph.add("Min", graph.add("Max", graph.cast(x, DOUBLE), of_each(steps, "low_")), of_each(steps, "high_"))

def _standardise(graph: Graph, x: str, steps: Sequence[StandardScaler]) -> str:
    return graph.add("Div", graph.add("Sub", x, of_each(steps, "mean_")), of_each(steps, "scale_"))

def _to_range(graph: Graph, x: str, steps: Sequence[MinMaxScaler]) -> str:
    return graph.add("Add", graph.add("Mul", x, of_each(steps, "scale_")), of_each(steps, "min_"))

TINY = 1e-8  # a power as small as this is a logarithm for all that float64 can tell

def _power(graph: Graph, x: str, steps: Sequence[PowerTransformer]) -> str:
    "Yeo and Johnson: ((1 + x)^p - 1) / p, mirrored below zero, where the power is 2 - p."
    powers = of_each(steps, "lambdas_")
    above, below = (np.where(np.abs(p) < TINY, TINY, p) for p in (powers, 2 - powers))
    log = graph.add("Log", graph.add("Add", graph.add("Abs", x), np.array(1.0)))
    power = graph.add("Where", graph.add("Less", x, np.array(0.0)), below, above)
    grown = graph.add("Sub", graph.add("Exp", graph.add("Mul", power, log)), np.array(1.0))
    bent = graph.add("Mul", graph.add("Div", grown, power), graph.add("Sign", x))
    return _standardise(graph, bent, [step._scaler for step in steps])

def _neighbours(graph: Graph, x: str, scaler: StandardScaler, nearest: Neighbours) -> str:
    "Numbers are standardised, and their gaps filled from the nearest rows."
    x = _as_float32(graph, "Sub", x, scaler.mean_)
    x = _as_float32(graph, "Div", x, scaler.scale_)
    return foreign(graph, nearest, x)

def _as_float32(graph: Graph, operator: str, x: str, values: np.ndarray) -> str:
    return graph.cast(graph.add(operator, graph.cast(x, DOUBLE), values), FLOAT)

_STEPS: dict[type, Callable[[Graph, str, Any], str]] = {
    SimpleImputer: _fill, Binarizer: _mark, Bounded: _bound, StandardScaler: _standardise,
    MinMaxScaler: _to_range, PowerTransformer: _power}

def steps_of(branch: Any) -> list[Any]:
    "What a branch does, one thing after the other; nothing for what passes through."
    if isinstance(branch, str | FunctionTransformer): return []
    return [step for _, step in branch.steps]

def alike(branch: Any) -> tuple[Any, ...]:
    "Branches for which this is equal can be computed together; one with neighbours stands alone."
    return tuple(step if isinstance(step, Neighbours) else type(step) for step in steps_of(branch))

def number_branches(
    graph: Graph,
    branches: Sequence[Any],  # of an encoder, all alike
    places: Sequence[int],  # of their numbers in the input
) -> tuple[str, bool]:  # tensor (rows, columns); is it float64?
    "What becomes of numbers."
    x, ways = graph.columns("numbers", places), [steps_of(branch) for branch in branches]
    double = any(isinstance(step, Bounded) for step in ways[0])
    if any(isinstance(step, Neighbours) for step in ways[0]):
        scaler, nearest, *others = ways[0]
        x = _neighbours(graph, x, scaler, nearest)
        if others and isinstance(others[0], ColumnTransformer):
            x = graph.columns(x, range(len(others.pop(0).transformers_[0][2])))
        ways = [others]
    for steps in zip(*ways, strict=True): x = _STEPS[type(steps[0])](graph, x, steps)
    return x, double

UNKNOWN = "\0"  # stands for any word that is not known

class Lexicon:
    "The words that encoders know, column by column."
    def __init__(
        self,
        encoders: Sequence[ColumnTransformer],  # fitted
        words: Sequence[str],  # names of the inputs that are words
    ):
        known = defaultdict[str, set[str]](set)
        for _, branch, names in (part for encoder in encoders for part in encoder.transformers_):
            categories = getattr(next(iter(steps_of(branch)), None), "categories_", None)
            for name, these in zip(names, categories or (), strict=bool(categories)): known[name] |= {*these}
        self.words = {name: [UNKNOWN, *sorted({"", *known[name]})] for name in words if name in known}
        self.places = [place for place, name in enumerate(words) if name in known]

    def codes(self, graph: Graph) -> str:  # (rows, columns) whole numbers
        "The place of each word in the list of its column; 0: it is not there."
        every = sorted({word for words in self.words.values() for word in words[1:]})
        number = {word: place for place, word in enumerate(every, 1)}
        table = np.zeros((len(self.words), len(every) + 1), dtype=np.int64)
        for line, words in zip(table, self.words.values(), strict=True):
            line[[number[word] for word in words[1:]]] = range(1, len(words))
        found = graph.add("LabelEncoder", graph.columns("words", self.places), domain="ai.onnx.ml",
                          keys_strings=every, values_int64s=[*number.values()], default_int64=0)
        return graph.look_up(table, found)

def spelled_out(
    branch: Any,  # fitted, with words going in
    names: Sequence[str],  # of its columns
    lexicon: Lexicon,
) -> list[tuple[str, np.ndarray]]:  # for each column that comes out: on which one it depends, its value by word
    "What a branch makes of every word, found by asking it."
    lists = [lexicon.words[name] for name in names]
    asked = pd.DataFrame(UNKNOWN, index=range(sum(map(len, lists))), columns=[*names], dtype="str")
    ends = np.cumsum([len(words) for words in lists])
    for name, words, end in zip(names, lists, ends, strict=True):
        asked.loc[end - len(words):end - 1, name] = words
    blocks = np.split(np.asarray(branch.transform(asked)), ends[:-1])
    moved = np.array([~np.isclose(block, block[:1], rtol=0, atol=0, equal_nan=True).all(axis=0)
                      for block in blocks])
    return [(names[owner], blocks[owner][:, column]) for column, owner in enumerate(moved.argmax(axis=0))]

def word_branches(
    graph: Graph,
    branches: Sequence[tuple[Any, Sequence[str]]],  # what is done, and to which columns
    lexicon: Lexicon,
) -> tuple[str, bool]:  # tensor (rows, columns); is it float64?
    "What becomes of words: all looked up at once."
    columns = [column for branch, names in branches for column in spelled_out(branch, names, lexicon)]
    order = [*lexicon.words]
    codes = graph.columns(lexicon.codes(graph), [order.index(name) for name, _ in columns])
    tables = [values for _, values in columns]
    kind = np.result_type(*tables)
    return graph.look_up([table.astype(kind) for table in tables], codes), kind == np.float64

def text_branch(
    graph: Graph,
    place: int,  # of the text among the words
    branch: Any,  # TF-IDF, then SVD
) -> str:  # float64
    "What becomes of a text: its known words are counted, weighed, and taken to few numbers."
    (_, counter), (_, topics) = branch.steps
    words = [word for word, _ in sorted(counter.vocabulary_.items(), key=lambda item: item[1])]
    text = graph.add("Gather", "words", np.array(place), axis=1)
    parts = graph.add("StringSplit", text, delimiter=" ", outputs=2)
    counts = graph.add("TfIdfVectorizer", parts, mode="TF", min_gram_length=1, max_gram_length=1, max_skip_count=0,
                       ngram_counts=[0], ngram_indexes=[*range(len(words))], pool_strings=words)
    weighed = graph.add("Mul", graph.cast(counts, DOUBLE), counter.idf_.astype(np.float64))
    length = graph.add("Max", graph.add("ReduceL2", weighed, np.array([1])), np.array(1e-30))
    numbers = graph.add("Div", graph.add("MatMul", weighed, topics.components_.T.astype(np.float64)), length)
    grid = np.array(10.0 ** DIGITS)
    return graph.add("Div", graph.add("Round", graph.add("Mul", numbers, grid)), grid)

def encode(
    graph: Graph,
    encoder: ColumnTransformer,  # fitted
    numbers: Sequence[str],  # names of the inputs that are numbers
    words: Sequence[str],  # and of those that are words
    lexicon: Lexicon,
) -> Encoded:
    "What an encoder does, in a few steps for all columns together."
    groups, parts = defaultdict[Any, list[Any]](list), list[tuple[str, bool]]()
    places = list[int]()
    for label, branch, names in encoder.transformers_:
        found = range(10**9)[encoder.output_indices_[label]]
        if not len(found): continue
        kind = "text" if isinstance(names, str) else alike(branch) if names[0] in numbers else "words"
        groups[kind].append((branch, names, found))
    for kind, group in groups.items():
        branches, named, columns = zip(*group, strict=True)
        if kind == "text": parts += [(text_branch(graph, words.index(n), b), True) for b, n, _ in group]
        elif kind == "words": parts.append(word_branches(graph, [*zip(branches, named)], lexicon))
        else: parts.append(number_branches(graph, branches, [numbers.index(n) for ns in named for n in ns]))
        places += [column for found in columns for column in found]
    double = any(wide for _, wide in parts)
    name = graph.beside([x if wide or not double else graph.cast(x, DOUBLE) for x, wide in parts])
    return Encoded(name, double, np.argsort(places))

def linked(graph: Graph, margins: str, outputs: int) -> str:
    "Margins as probabilities: of the second class, where there are two."
    return graph.add("Sigmoid", margins) if outputs == 1 else graph.add("Softmax", margins, axis=-1)

def _linear(graph: Graph, model: Any, x: Encoded) -> str:
    weights = np.atleast_2d(model.coef_).T
    wide = x.name if x.double else graph.cast(x.name, DOUBLE)
    product = graph.add("MatMul", wide, x.in_order(weights))
    said = graph.add("Add", product, np.broadcast_to(model.intercept_, weights.shape[1]).astype(np.float64))
    return linked(graph, said, weights.shape[1]) if is_classifier(model) else said

def _networks(graph: Graph, model: Any, x: Encoded) -> str:
    "The mean of networks of one shape, computed side by side."
    bag = isinstance(model, BaggingClassifier | BaggingRegressor)
    networks = model.estimators_ if bag else [model]
    if not all(type(one) in (MLPClassifier, MLPRegressor) and one.activation == "relu" for one in networks):
        return foreign_model(graph, model, x)
    chosen = model.estimators_features_ if bag else [np.arange(len(x.places))]
    weights = [[*map(_doubled, one.coefs_)] for one in networks]
    for layers, features in zip(weights, chosen, strict=True):
        whole = np.zeros((len(x.places), layers[0].shape[1]))
        whole[features] = layers[0]
        layers[0] = x.in_order(whole)
    now = x.name if x.double else graph.cast(x.name, DOUBLE)
    for depth, layer in enumerate(zip(*weights, strict=True)):
        if depth: now = graph.add("Relu", now)
        shifts = np.stack([one.intercepts_[depth][None] for one in networks]).astype(np.float64)
        now = graph.add("Add", graph.add("MatMul", now, np.stack(layer)), shifts)
    if is_classifier(model): now = linked(graph, now, networks[0].n_outputs_)
    return graph.add("ReduceMean", now, np.array([0]), keepdims=0)

def _doubled(values: np.ndarray) -> np.ndarray: return values.astype(np.float64)

def ask_trees(
    graph: Graph,
    trees: Trees,
    x: Encoded,
    rounded: bool = False,  # do they look at float32, whatever comes in?
) -> str:  # float64 (rows, outputs)
    "The answer of trees, before any link."
    wide = x.name
    if rounded or not x.double: wide = graph.cast(graph.cast(wide, FLOAT) if x.double else wide, DOUBLE)
    moved = replace(trees, feature=np.where(trees.feature < 0, -1, x.places[trees.feature]))
    if graph.ml >= 5: said = graph.add("TreeEnsemble", wide, domain="ai.onnx.ml", **tree_node(moved))
    else: said = graph.cast(
        graph.add("TreeEnsembleRegressor", wide, domain="ai.onnx.ml", **old_tree_node(moved)), DOUBLE)
    return graph.add("Add", said, trees.base) if trees.base.any() else said

def _forest(graph: Graph, model: Any, x: Encoded) -> str:
    trees = getattr(model, "estimators_", [model])
    return ask_trees(graph, joined([sklearn_tree(tree) for tree in trees], 1 / len(trees)), x, rounded=True)

def _boosting(graph: Graph, model: Any, x: Encoded) -> str:
    light = hasattr(model, "booster_")
    if light and model.objective_ not in ("binary", "multiclass", "regression"): raise PackageError(
        f"LightGBM with the objective {model.objective_!r} cannot be written as ONNX")
    trees = light_trees(model.booster_) if light else histogram_trees(model)
    said = ask_trees(graph, trees, x)
    return linked(graph, said, len(trees.base)) if is_classifier(model) else said

def _rescaled(graph: Graph, model: TransformedTargetRegressor, x: Encoded) -> str:
    said, scaler = ask(graph, model.regressor_, x), model.transformer_
    return graph.add("Add", graph.add("Mul", said, scaler.scale_), scaler.mean_)

def _from_log(graph: Graph, model: OnLogScale, x: Encoded) -> str:
    logs = graph.add("Min", ask(graph, model.regressor_, x), np.log1p([model.highest_]))
    numbers = graph.add("Sub", graph.add("Exp", logs), np.array([1.0]))
    return graph.add("Min", graph.add("Max", numbers, np.array([0.0])), np.array([model.highest_]))

def foreign(
    graph: Graph,
    part: Any,  # fitted, of scikit-learn
    x: str,  # tensor (rows, columns), float32
) -> str:  # float32; of a classifier (rows, classes)
    "What skl2onnx makes of it. PackageError: it cannot."
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    options = {id(part): {"zipmap": False}} if is_classifier(part) else None
    name = type(part).__name__
    try: made = convert_sklearn(
        part, initial_types=[("x", FloatTensorType([None, part.n_features_in_]))], options=options,
        target_opset={"": OPSET, "ai.onnx.ml": 3})
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)[:150]
        raise PackageError(f"{name} cannot be written as ONNX: {reason}") from error
    return graph.insert(made, x)

def foreign_model(graph: Graph, model: Any, x: Encoded) -> str:
    "A model for which there is nothing better."
    if graph.ml > 3: raise _Foreign
    narrow = graph.columns(graph.cast(x.name, FLOAT) if x.double else x.name, x.places)
    said = graph.cast(foreign(graph, model, narrow), DOUBLE)
    if not is_classifier(model): return graph.add("Reshape", said, np.array([-1, 1]))
    return graph.columns(said, [1]) if len(model.classes_) == 2 else said

class _Foreign(Exception):
    "The operators of other converters are needed."

_MODELS: dict[type, Callable[[Graph, Any, Encoded], str]] = {
    **dict.fromkeys([LogisticRegression, Ridge], _linear),
    **dict.fromkeys([MLPClassifier, MLPRegressor, BaggingClassifier, BaggingRegressor], _networks),
    **dict.fromkeys([DecisionTreeClassifier, DecisionTreeRegressor, RandomForestClassifier, RandomForestRegressor,
                     ExtraTreesClassifier, ExtraTreesRegressor], _forest),
    **dict.fromkeys([HistGradientBoostingClassifier, HistGradientBoostingRegressor], _boosting),
    TransformedTargetRegressor: _rescaled, OnLogScale: _from_log}
def ask(graph: Graph, model: Any, x: Encoded) -> str:
    "What a model says: float64 (rows, 1) for numbers and the second of two classes, else (rows, classes)."
    return _MODELS.get(type(model), _light_or_foreign)(graph, model, x)

def _light_or_foreign(graph: Graph, model: Any, x: Encoded) -> str:
    light = lightgbm()
    own = light is not None and type(model) in (light.LGBMClassifier, light.LGBMRegressor)
    return (_boosting if own else foreign_model)(graph, model, x)

def mean_of(
    graph: Graph,
    answers: Sequence[str],  # of models, of one shape
    weights: Sequence[float],
    columns: int,  # of each
) -> str:
    "The weighted mean."
    if len(answers) == 1: return answers[0]
    mixing = np.kron(np.array(weights)[:, None], np.eye(columns))
    return graph.add("MatMul", graph.beside(answers), mixing)

def ask_all(graph: Graph, estimator: Any, numbers: Sequence[str], words: Sequence[str]) -> str:
    "What a pipeline or an ensemble says; each encoder is computed once."
    if isinstance(estimator, Ensemble):
        encoders, weights = estimator.encoders_, estimator.weights
        models = [(wants, model) for (_, wants, _), model in zip(estimator.members, estimator.models_, strict=True)]
    else: encoders, models, weights = {"": estimator[0]}, [("", estimator[1])], [1.0]
    lexicon = Lexicon([*encoders.values()], words)
    encoded = {wants: encode(graph, encoder, numbers, words, lexicon) for wants, encoder in encoders.items()}
    columns = len(estimator.classes_) if is_classifier(estimator) and len(estimator.classes_) > 2 else 1
    return mean_of(graph, [ask(graph, model, encoded[wants]) for wants, model in models], weights, columns)

def _odds(graph: Graph, p: str, values: Sequence[float]) -> str:
    "A sigmoid of the log odds."
    inside = graph.add("Clip", p, np.array(1e-9), np.array(1 - 1e-9))
    odds = graph.add("Div", inside, graph.add("Sub", np.array(1.0), inside))
    moved = graph.add("Add", graph.add("Mul", graph.add("Log", odds), np.array(values[0])), np.array(values[1]))
    return graph.add("Sigmoid", moved)

def _staircase(graph: Graph, p: str, values: Sequence[float]) -> str:
    "Straight lines from point to point: how far along each line, times how far it rises."
    said, meant = np.split(np.array(values), 2)
    along = graph.add("Div", graph.add("Sub", p, said[:-1]), np.diff(said))
    along = graph.add("Clip", along, np.array(0.0), np.array(1.0))
    return graph.add("Add", graph.add("MatMul", along, np.diff(meant)[:, None]), meant[:1])

def put_right(
    graph: Graph,
    p: str,  # of the second class, or (rows, classes)
    calibrator: Calibrator | None,
    pair: bool,  # are there two classes?
) -> str:  # (rows, classes)
    "What a calibrator does."
    method = calibrator.method if calibrator else ""
    if calibrator and method in ("sigmoid", "isotonic"):
        p = (_odds if method == "sigmoid" else _staircase)(graph, p, calibrator.values)
    if pair: p = graph.beside([graph.add("Sub", np.array(1.0), p), p])
    if not calibrator or method != "temperature": return p
    logs = graph.add("Log", graph.add("Clip", p, np.array(1e-9), np.array(1.0)))
    return graph.add("Softmax", graph.add("Div", logs, np.array(calibrator.values[0])), axis=1)

def spread(graph: Graph, p: str, known: Sequence[int], classes: int) -> str:
    "A class that the model never met has probability 0."
    if len(known) == classes: return p
    wider = graph.add("Pad", p, np.array([0, 0, 0, 1]), np.array(0.0))
    return graph.columns(wider, [[*known].index(code) if code in known else len(known) for code in range(classes)])

def to_onnx(
    model: FinalModel,
) -> ModelProto:  # inputs numbers and words, output
    "The model as one graph, from what `Table.inputs` reads to `FinalModel.output`. PackageError: it cannot be."
    try: return _to_onnx(model, Graph(3 if model.task.type == "multiclass" else 5))
    except _Foreign: return _to_onnx(model, Graph(3))

def _to_onnx(model: FinalModel, graph: Graph) -> ModelProto:
    kinds, task = model.table.input_kinds, model.task
    words = [name for name, kind in kinds.items() if kind in ("category", "text")]
    numbers = [name for name in kinds if name not in words]
    said = ask_all(graph, model.estimator, numbers, words)
    if task.classes:
        known = [*map(int, model.estimator.classes_)]
        if len(known) == len(task.classes): said = put_right(graph, said, model.calibrator, len(known) == 2)
        else: said = put_right(graph, spread(graph, put_right(graph, said, None, len(known) == 2), known, len(task.classes)), model.calibrator, False)
    graph.nodes.append(helper.make_node("Cast", [said], ["output"], to=FLOAT))
    inputs = [helper.make_tensor_value_info(name, kind, ["rows", len(names)])
              for name, kind, names in (("numbers", FLOAT, numbers), ("words", WORD, words)) if names]
    output = helper.make_tensor_value_info("output", FLOAT, ["rows", len(task.classes) or 1])
    made = helper.make_graph(graph.nodes, "mlkit", inputs, [output], [*graph.constants.values()])
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", graph.ml)]
    proto = helper.make_model(made, opset_imports=opsets, ir_version=10, producer_name="mlkit")
    checker.check_model(proto)
    return proto