
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

@dataclass(frozen=True)
class Trees:
    "Trees in arrays, one entry a node. A row goes left where its value is at most the threshold."
    feature: np.ndarray  # whose value is looked at; -1: this is a leaf
    threshold: np.ndarray  # float64
    left: np.ndarray  # the node that follows
    right: np.ndarray
    gap_left: np.ndarray  # does a missing value go left?
    values: np.ndarray  # (nodes, outputs): what a leaf adds to the answer
    roots: np.ndarray  # the first node of each tree
    base: np.ndarray  # (outputs,): what the trees add to

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        "The answer, (rows, outputs): slowly, but it shows what is meant."
        answer, everyone = np.tile(self.base, (len(rows), 1)), np.arange(len(rows))
        for root in self.roots:
            at = np.full(len(rows), root)
            while (inner := self.feature[at] >= 0).any():
                value = rows[everyone, np.where(inner, self.feature[at], 0)]
                left = np.where(np.isnan(value), self.gap_left[at], value <= self.threshold[at])
                at = np.where(inner, np.where(left, self.left[at], self.right[at]), at)
            answer += self.values[at]
        return answer

def joined(
    parts: Sequence[Trees],
    weight: float = 1.0,  # of each
) -> Trees:
    "Trees whose answers are added up."
    starts = np.cumsum([0, *(len(part.feature) for part in parts)])[:-1]
    def moved(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) + start for part, start in zip(parts, starts, strict=True)])
    def of_all(name: str) -> np.ndarray: return np.concatenate([getattr(part, name) for part in parts])
    return Trees(
        of_all("feature"), of_all("threshold"), moved("left"), moved("right"), of_all("gap_left"),
        weight * of_all("values"), moved("roots"), weight * np.sum([part.base for part in parts], axis=0))

def sklearn_tree(
    tree: Any,  # a fitted decision tree
) -> Trees:
    "A tree of scikit-learn; of two classes the second one's probability."
    grown, inner = tree.tree_, tree.tree_.children_left >= 0
    values = grown.value[:, 0, :].astype(np.float64)
    if hasattr(tree, "classes_"):
        values = values / values.sum(axis=1, keepdims=True)
        if values.shape[1] == 2: values = values[:, 1:]
    return Trees(
        np.where(inner, grown.feature, -1), grown.threshold, grown.children_left, grown.children_right,
        grown.missing_go_to_left.astype(bool), np.where(inner[:, None], 0.0, values), np.array([0]),
        np.zeros(values.shape[1]))

def histogram_trees(
    model: Any,  # a fitted HistGradientBoosting
) -> Trees:
    "The trees of scikit-learn's own boosting: margins, or numbers."
    base = np.asarray(model._baseline_prediction, dtype=np.float64).ravel()
    def tree(nodes: Any, output: int) -> Trees:
        leaf = nodes["is_leaf"].astype(bool)
        values = np.zeros((len(nodes), len(base)))
        values[leaf, output] = nodes["value"][leaf]
        left, right = (nodes[side].astype(np.int64) for side in ("left", "right"))
        feature = np.where(leaf, -1, nodes["feature_idx"].astype(np.int64))
        return Trees(feature, nodes["num_threshold"], left, right, nodes["missing_go_to_left"].astype(bool),
                     values, np.array([0]), np.zeros(len(base)))
    grown = joined([tree(one.nodes, output) for step in model._predictors for output, one in enumerate(step)])
    return Trees(**(vars(grown) | {"base": base}))

def light_trees(
    booster: Any,  # of LightGBM
) -> Trees:
    "The trees of LightGBM: margins, or numbers."
    said = booster.dump_model()
    outputs = said["num_tree_per_iteration"]
    trees = [_light_tree(tree["tree_structure"], number % outputs, outputs)
             for number, tree in enumerate(said["tree_info"])]
    return joined(trees)

def _light_tree(root: dict[str, Any], output: int, outputs: int) -> Trees:
    nodes, links = [root], []
    for node in nodes:  # grows while it is walked through
        links.append((len(nodes), len(nodes) + 1) if "split_feature" in node else (-1, -1))
        if "split_feature" in node: nodes += [node["left_child"], node["right_child"]]
    def each(name: str, default: Any) -> np.ndarray: return np.array([node.get(name, default) for node in nodes])
    threshold, values = each("threshold", 0.0).astype(np.float64), np.zeros((len(nodes), outputs))
    is_leaf = each("split_feature", -1) < 0
    values[is_leaf, output] = each("leaf_value", 0.0)[is_leaf]
    # Where it met no gap in training, LightGBM takes a gap for zero.
    gap_left = np.where(each("missing_type", "None") == "NaN", each("default_left", False), threshold >= 0)
    left, right = np.array(links).T
    return Trees(each("split_feature", -1), threshold, left, right, gap_left, values, np.array([0]),
                 np.zeros(outputs))

def _without_stumps(trees: Trees) -> Trees:
    "A tree that is nothing but a leaf gets a question whose answer does not matter."
    alone = trees.roots[trees.feature[trees.roots] < 0]
    if not len(alone): return trees
    count, more = len(trees.feature), len(alone)
    def longer(values: np.ndarray, new: Any) -> np.ndarray: return np.concatenate([values, new])
    roots = trees.roots.copy()
    roots[trees.feature[roots] < 0] = count + np.arange(more)
    zeros = np.zeros(more)
    return Trees(longer(trees.feature, zeros.astype(int)), longer(trees.threshold, zeros), longer(trees.left, alone),
                 longer(trees.right, alone), longer(trees.gap_left, zeros.astype(bool)),
                 longer(trees.values, np.zeros((more, trees.values.shape[1]))), roots, trees.base)

def tree_node(
    trees: Trees,
) -> dict[str, Any]:  # attributes
    "Of the operator TreeEnsemble, whose leaves add to one output each; sums are float64."
    from onnx import numpy_helper
    trees = _without_stumps(trees)
    inner = trees.feature >= 0
    number = np.where(inner, np.cumsum(inner), np.cumsum(~inner)) - 1  # among its kind
    def link(side: np.ndarray) -> tuple[list[int], list[int]]:
        return number[side[inner]].tolist(), (~inner[side[inner]]).astype(int).tolist()
    (left, left_leaf), (right, right_leaf) = link(trees.left), link(trees.right)
    leaves = trees.values[~inner]
    target = np.abs(leaves).argmax(axis=1)
    return {
        "n_targets": leaves.shape[1], "aggregate_function": 1, "post_transform": 0,
        "tree_roots": number[trees.roots].tolist(), "nodes_featureids": trees.feature[inner].tolist(),
        "nodes_splits": numpy_helper.from_array(trees.threshold[inner]),
        "nodes_modes": numpy_helper.from_array(np.zeros(inner.sum(), dtype=np.uint8)),
        "nodes_truenodeids": left, "nodes_trueleafs": left_leaf, "nodes_falsenodeids": right,
        "nodes_falseleafs": right_leaf,
        "nodes_missing_value_tracks_true": trees.gap_left[inner].astype(int).tolist(),
        "leaf_targetids": target.tolist(),
        "leaf_weights": numpy_helper.from_array(leaves[np.arange(len(leaves)), target])}

def old_tree_node(
    trees: Trees,
) -> dict[str, Any]:  # attributes
    "Of the older operator TreeEnsembleRegressor, whose leaves add to every output; sums are float32."
    from onnx import numpy_helper
    inner, number = trees.feature >= 0, np.arange(len(trees.feature))
    tree = np.cumsum(np.isin(number, trees.roots)) - 1  # the nodes of a tree follow each other
    node, target = np.nonzero(trees.values * ~inner[:, None])
    return {
        "n_targets": trees.values.shape[1], "aggregate_function": "SUM", "post_transform": "NONE",
        "nodes_treeids": tree.tolist(), "nodes_nodeids": number.tolist(),
        "nodes_featureids": np.maximum(trees.feature, 0).tolist(),
        "nodes_modes": np.where(inner, "BRANCH_LEQ", "LEAF").tolist(),
        "nodes_values_as_tensor": numpy_helper.from_array(np.where(inner, trees.threshold, 0.0)),
        "nodes_truenodeids": np.where(inner, trees.left, 0).tolist(),
        "nodes_falsenodeids": np.where(inner, trees.right, 0).tolist(),
        "nodes_missing_value_tracks_true": trees.gap_left.astype(int).tolist(),
        "target_treeids": tree[node].tolist(), "target_nodeids": node.tolist(), "target_ids": target.tolist(),
        "target_weights_as_tensor": numpy_helper.from_array(trees.values[node, target])}