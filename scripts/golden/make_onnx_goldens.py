"""Golden cases for crates/onnx: models with inputs and expected outputs, four archives in crates/onnx/tests/golden.

    pip install onnx==1.23.2 onnxruntime==1.32.0 numpy ml_dtypes
    python scripts/golden/make_onnx_goldens.py [node] [runtime] [operators] [more]

node       the recurrent node tests of the onnx package, with its own data
runtime    random recurrent cases of scripts/fuzz_onnx.py, outputs by ONNX Runtime
operators  one node each of the other operators, outputs by the reference evaluator of the onnx package (by ONNX Runtime
           for versions of operators that the evaluator does not support)
more       the smallest node tests of the onnx package for every operator of the table in crates/onnx/src/ops/mod.rs,
           with its own data; small models with graphs inside, halves and integers of 8 bits, outputs by ONNX Runtime

An archive holds NAME.onnx and NAME.npz for every case; in the .npz, `in.X` is input X and `out.Y` output Y.
Two runs write the same bytes.
"""

import argparse
import io
import re
import sys
import warnings
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "crates" / "onnx" / "tests" / "golden"
sys.path.insert(0, str(ROOT / "scripts"))

import fuzz_onnx  # noqa: E402

RUNTIME_CASES = 50
IR_VERSION = 8


def npz(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            one = io.BytesIO()
            # Also for numbers without a dimension: ascontiguousarray would add one.
            np.save(one, np.array(array, order="C"))
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), one.getvalue(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def save(name: str, cases: dict[str, tuple[onnx.ModelProto, dict, dict]]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for case, (model, inputs, outputs) in cases.items():
            arrays = {f"in.{k}": v for k, v in inputs.items()} | {f"out.{k}": v for k, v in outputs.items()}
            for file, data in [(f"{case}.onnx", model.SerializeToString(deterministic=True)), (f"{case}.npz", npz(arrays))]:
                archive.writestr(zipfile.ZipInfo(file), data, zipfile.ZIP_DEFLATED)
    print(f"{path.name}: {len(cases)} cases, {path.stat().st_size} bytes")


def node() -> dict:
    import onnx.backend.test.case.node as cases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        collected = cases.collect_testcases()
    found = {}
    for case in collected:
        if {n.op_type for n in case.model.graph.node} <= set(fuzz_onnx.GATES) and case.model.graph.node:
            (inputs, outputs), = case.data_sets
            graph = case.model.graph
            found[case.name] = (
                case.model,
                {info.name: array for info, array in zip(graph.input, inputs)},
                {info.name: array for info, array in zip(graph.output, outputs)},
            )
    return dict(sorted(found.items()))


def runtime() -> dict:
    found, number = {}, 0
    while len(found) < RUNTIME_CASES:
        case = fuzz_onnx.draw(np.random.default_rng([4, number]), 9)
        number += 1
        try:
            outputs = case.expected()
        except Exception:  # A model refused by ONNX Runtime is no case.
            continue
        if not fuzz_onnx.bounded(outputs):
            continue
        found[f"case_{number:02}_{case.op.lower()}"] = (case.model(case.layout), case.inputs(case.layout), outputs)
    return found


KINDS = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64}
KINDS |= {np.dtype(np.int32): TensorProto.INT32, np.dtype(np.bool_): TensorProto.BOOL}


def operators() -> dict:
    rng = np.random.default_rng(4)
    found = {}

    def x(*shape: int) -> np.ndarray:
        return rng.uniform(-3, 3, shape).astype(np.float32)

    def ints(*values: int) -> np.ndarray:
        return np.array(values, dtype=np.int64)

    def case(name: str, op: str, opset: int, *inputs, outputs: int = 1, runtime: bool = False, **attributes) -> None:
        """One node; `runtime` asks ONNX Runtime if the reference evaluator supports only a later operator version."""
        names = ["" if array is None else f"x{i}" for i, array in enumerate(inputs)]
        given = {n: a for n, a in zip(names, inputs) if a is not None}
        made = [f"y{i}" for i in range(outputs)]
        one = helper.make_node(op, names, made, **attributes)
        graph_inputs = [helper.make_tensor_value_info(n, KINDS[a.dtype], a.shape) for n, a in given.items()]
        unknown = [helper.make_tensor_value_info(n, TensorProto.UNDEFINED, None) for n in made]
        graph = helper.make_graph([one], op, graph_inputs, unknown)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSION)
        if runtime:
            import onnxruntime

            for info in model.graph.output:
                info.CopyFrom(helper.make_tensor_value_info(info.name, TensorProto.FLOAT, None))
            session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
            results = session.run(None, given)
        else:
            results = ReferenceEvaluator(model).run(None, given)
        results = [np.asarray(result) for result in results]
        for info, result in zip(model.graph.output, results):
            info.CopyFrom(helper.make_tensor_value_info(info.name, KINDS[result.dtype], result.shape))
        onnx.checker.check_model(model, full_check=True)
        assert f"{op}_{name}" not in found
        found[f"{op}_{name}"] = (model, given, dict(zip(made, results)))

    for op in ["Add", "Sub", "Mul", "Div"]:
        case("same", op, 7, x(2, 3), x(2, 3))
        case("broadcast", op, 14, x(4, 1, 3), x(2, 1))
        case("scalar", op, 13, x(2, 2), x())
        case("int64", op, 14, ints(7, 8, 9), ints(2, -3, 4))
    for op in ["Relu", "Tanh", "Sigmoid", "Softplus", "Softsign"]:
        case("plain", op, 14 if op in ["Relu"] else 13 if op in ["Tanh", "Sigmoid"] else 7, x(3, 4))
    for op in ["LeakyRelu", "Elu"]:
        case("default", op, 7, x(3, 4))
        case("alpha", op, 16, x(3, 4), alpha=0.3)
    case("default", "HardSigmoid", 7, x(3, 4))
    case("parameters", "HardSigmoid", 7, x(3, 4), alpha=0.3, beta=0.1)
    for op in ["Softmax", "LogSoftmax"]:
        case("before_13", op, 11, x(2, 3, 4), runtime=True)
        case("before_13_axis_2", op, 7, x(2, 3, 4), runtime=True, axis=2)
        case("last", op, 13, x(2, 3, 4))
        case("axis_0", op, 13, x(2, 3, 4), axis=0)
        case("axis_minus_2", op, 17, x(2, 3, 4), axis=-2)
    case("to_int64", "Cast", 13, x(5), to=TensorProto.INT64)
    case("to_int32", "Cast", 9, x(5), to=TensorProto.INT32)
    case("to_bool", "Cast", 13, np.array([0, 1.5, -2], dtype=np.float32), to=TensorProto.BOOL)
    case("to_float", "Cast", 19, ints(1, -2, 3), to=TensorProto.FLOAT, saturate=1)
    case("from_bool", "Cast", 13, np.array([True, False]), to=TensorProto.FLOAT)
    case("vectors", "MatMul", 13, x(4), x(4))
    case("matrices", "MatMul", 9, x(3, 4), x(4, 5))
    case("row", "MatMul", 13, x(4), x(4, 5))
    case("column", "MatMul", 13, x(2, 3, 4), x(4))
    case("broadcast", "MatMul", 13, x(2, 1, 3, 4), x(5, 4, 2))
    case("plain", "Gemm", 13, x(3, 4), x(4, 5), x(5))
    case("all", "Gemm", 7, x(4, 3), x(5, 4), x(3, 1), alpha=0.5, beta=2.0, transA=1, transB=1)
    case("no_c", "Gemm", 11, x(3, 4), x(5, 4), transB=1)
    for op, moved in [("ReduceSum", 13), ("ReduceMean", 18), ("ReduceMax", 18)]:
        case("attribute", op, 11, x(2, 3, 4), axes=[1])
        case("attribute_dropped", op, 11, x(2, 3, 4), axes=[0, -1], keepdims=0)
        case("all", op, 11, x(2, 3, 4))
        case("input", op, moved, x(2, 3, 4), ints(1, 2), keepdims=0)
        case("no_axes", op, moved, x(2, 3), keepdims=0)
        case("noop", op, moved, x(2, 3), noop_with_empty_axes=1)
    case("default", "ArgMax", 13, x(3, 4))
    case("axis", "ArgMax", 11, x(3, 4), axis=-1, keepdims=0)
    case("first", "ArgMax", 13, np.array([[1, 2, 2]], dtype=np.float32), axis=1)
    case("last", "ArgMax", 13, np.array([[1, 2, 2]], dtype=np.float32), axis=1, select_last_index=1)
    case("two", "Concat", 13, x(2, 3), x(2, 1), axis=1)
    case("three", "Concat", 7, x(1, 3), x(2, 3), x(1, 3), axis=0)
    case("negative", "Concat", 13, ints(1, 2), ints(3), axis=-1)
    case("attribute", "Slice", 9, x(4, 5), starts=[1, -3], ends=[3, 1000], axes=[0, 1])
    case("attribute_no_axes", "Slice", 9, x(4, 5), starts=[1], ends=[-1])
    case("input", "Slice", 13, x(4, 5), ints(1), ints(9), ints(1), ints(2))
    case("backwards", "Slice", 13, x(4, 5), ints(-1), ints(-1000), ints(0), ints(-1))
    case("default", "Slice", 13, x(4, 5), ints(1, 2), ints(3, 4))
    case("empty", "Slice", 13, x(4, 5), ints(3), ints(1))
    case("rows", "Gather", 13, x(5, 3), np.array([[0, 4], [-1, 2]], dtype=np.int64))
    case("axis", "Gather", 13, x(2, 5), np.array([1, 3], dtype=np.int32), axis=1)
    case("one", "Gather", 13, x(2, 5), np.array(1, dtype=np.int64), axis=-1)
    case("attribute", "Split", 11, x(2, 5), split=[2, 3], axis=1, outputs=2)
    case("input", "Split", 13, x(2, 5), ints(1, 4), axis=-1, outputs=2)
    case("equal", "Split", 13, x(4, 2), outputs=2)
    case("num_outputs", "Split", 18, x(5), outputs=3, num_outputs=3)
    case("attribute", "Squeeze", 11, x(1, 3, 1), axes=[0])
    case("input", "Squeeze", 13, x(1, 3, 1), ints(-1))
    case("all", "Squeeze", 13, x(1, 3, 1))
    case("attribute", "Unsqueeze", 11, x(3), axes=[0, 2])
    case("input", "Unsqueeze", 13, x(3, 2), ints(-1, 1))
    case("default", "Transpose", 13, x(2, 3, 4))
    case("perm", "Transpose", 13, x(2, 3, 4), perm=[1, 2, 0])
    case("minus_1", "Reshape", 13, x(2, 6), ints(3, -1))
    case("zero", "Reshape", 13, x(2, 3, 2), ints(0, -1))
    case("allowzero", "Reshape", 14, x(0, 3), ints(3, 0), allowzero=1)
    case("default", "Flatten", 13, x(2, 3, 4))
    case("axis_0", "Flatten", 13, x(2, 3), axis=0)
    case("negative", "Flatten", 13, x(2, 3, 4), axis=-1)
    case("up", "Expand", 13, x(3, 1), ints(2, 1, 4))
    case("kept", "Expand", 8, x(3, 4), ints(1))
    case("plain", "Shape", 13, x(2, 3, 4))
    case("part", "Shape", 15, x(2, 3, 4), start=1, end=-1)
    case("plain", "Identity", 13, x(2, 3))
    case("tensor", "Constant", 13, value=numpy_helper.from_array(x(2, 2)))
    case("float", "Constant", 13, value_float=1.5)
    case("ints", "Constant", 13, value_ints=[1, 2, 3])
    case("floats", "Constant", 13, value_floats=[1.0, 2.0])
    case("int", "Constant", 13, value_int=7)
    case("default", "ConstantOfShape", 9, ints(2, 3))
    case("value", "ConstantOfShape", 9, ints(2), value=numpy_helper.from_array(ints(7)))
    case("old", "Dropout", 10, x(2, 3), ratio=0.7)
    case("new", "Dropout", 13, x(2, 3), np.array(0.7, dtype=np.float32), outputs=2)
    return found


DTYPES = {"float16", "float32", "float64", "bool"} | {f"{u}int{bits}" for u in ("", "u") for bits in (8, 16, 32, 64)}
TESTS_OF_AN_OPERATOR = 3


def table() -> set[str]:
    """The operators that Refrain runs, without those that ONNX Runtime adds."""
    text = (ROOT / "crates" / "onnx" / "src" / "ops" / "mod.rs").read_text()
    rows = re.findall(r'\b(?:any|numbers|floats|control)\(\s*"(\w+)"([^;]*?)(?=\n    (?:any|numbers|floats|control|//)|\n\];)', text)
    return {name for name, rest in rows if "MICROSOFT" not in rest}


def node_tests() -> dict:
    """Node tests whose outputs are exact to 1e-5, the smallest of each operator."""
    import onnx.backend.test.case.node as cases

    known, found, counts = table(), {}, Counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        collected = cases.collect_testcases()
    sized = []
    for case in collected:
        graph = case.model.graph
        nodes = list(graph.node)
        inner = [n for node in nodes for a in node.attribute for n in a.g.node]
        if len(case.data_sets) != 1 or "_expanded" in case.name or "training" in case.name or not nodes:
            continue
        # Refrain reads opset 7 and later; Scan had another form before opset 9.
        first = 9 if nodes[0].op_type == "Scan" else 7
        if any(not own.domain and own.version < first for own in case.model.opset_import):
            continue
        if not {n.op_type for n in nodes + inner} <= known or nodes[0].op_type in fuzz_onnx.GATES:
            continue
        inputs, outputs = case.data_sets[0]
        if any(not hasattr(a, "dtype") or str(a.dtype) not in DTYPES for a in [*inputs, *outputs]):
            continue
        arrays = [np.asarray(a) for a in [*inputs, *outputs]]
        size = len(case.model.SerializeToString()) + sum(a.nbytes for a in arrays)
        sized.append((nodes[0].op_type, size, case))
    for op, size, case in sorted(sized, key=lambda row: (row[0], row[1], row[2].name)):
        counts[op] += 1
        if counts[op] <= TESTS_OF_AN_OPERATOR and size < 20_000:
            (inputs, outputs), graph = case.data_sets[0], case.model.graph
            found[case.name] = (
                case.model,
                {info.name: np.asarray(array) for info, array in zip(graph.input, inputs)},
                {info.name: np.asarray(array) for info, array in zip(graph.output, outputs)},
            )
    return found


def by_runtime(nodes: list, inputs: dict[str, np.ndarray], outputs: list[str], constants: dict, opset: int) -> tuple:
    """A model of these nodes, run by ONNX Runtime."""
    import onnxruntime

    def info(name: str, dtype) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), None)

    unknown = [onnx.ValueInfoProto(name=name) for name in outputs]
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "graph", [info(n, a.dtype) for n, a in inputs.items()], unknown, initializers)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    # With several threads, DynamicQuantizeLSTM quantises the states of each sequence by themselves.
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    results = dict(zip(outputs, session.run(outputs, inputs)))
    for place, name in enumerate(outputs):
        graph_output = info(name, results[name].dtype)
        model.graph.output[place].CopyFrom(graph_output)
    return model, inputs, results


def small_models() -> dict:
    rng = np.random.default_rng(11)

    def x(*shape: int) -> np.ndarray:
        return rng.uniform(-2, 2, shape).astype(np.float32)

    def value(name: str, code: int = TensorProto.FLOAT, shape=None) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, code, shape)

    found = {}
    make = helper.make_node
    # A branch within a branch, both with values from outside.
    inner = [
        helper.make_graph([make("Mul", ["x", "k"], [f"i{i}"]), make(op, [f"i{i}", "x"], [f"j{i}"])], "inner", [], [value(f"j{i}")])
        for i, op in enumerate(["Add", "Sub"])
    ]
    nested = make("If", ["second"], ["n"], then_branch=inner[0], else_branch=inner[1])
    other = helper.make_graph([make("Tanh", ["x"], ["t"])], "other", [], [value("t")])
    outer = helper.make_graph([nested, make("Relu", ["n"], ["r"])], "outer", [], [value("r")])
    choice = make("If", ["first"], ["y"], then_branch=outer, else_branch=other)
    for first in (True, False):
        for second in (True, False):
            given = {"x": x(2, 3), "first": np.array(first), "second": np.array([second])}
            found[f"if_{first}_{second}"] = by_runtime([choice], given, ["y"], {"k": x(3)}, 16)
    # A loop that ends by its condition, with carried values of growing shape, and results of every step.
    body = helper.make_graph(
        [
            make("Concat", ["h", "row"], ["h2"], axis=0),
            make("ReduceSum", ["h2"], ["total"], keepdims=0),
            make("Less", ["total", "bound"], ["more"]),
            make("Mul", ["row", "row"], ["square"]),
        ],
        "body",
        [value("i", TensorProto.INT64, []), value("c", TensorProto.BOOL, []), value("h")],
        [value("more", TensorProto.BOOL, []), value("h2"), value("square"), value("total", shape=[])],
    )
    loop = make("Loop", ["count", ""], ["h_n", "squares", "totals"], body=body)
    for count, bound in [(5, 100.0), (50, 6.5), (1, 0.0)]:
        given = {"count": np.array(count, dtype=np.int64), "bound": np.array(bound, dtype=np.float32)}
        constants = {"row": np.array([[0.5, 1.5]], dtype=np.float32), "h": np.zeros((1, 2), dtype=np.float32)}
        loop.input[:] = ["count", "", "h"]
        found[f"loop_{count}"] = by_runtime([loop], given, ["h_n", "squares", "totals"], constants, 15)
    # A recurrent cell by Scan, forwards and backwards, stacked on either axis.
    cell = helper.make_graph(
        [make("Gemm", ["row", "w"], ["g"]), make("Add", ["g", "h"], ["s"]), make("Tanh", ["s"], ["h2"]), make("Identity", ["h2"], ["o"])],
        "cell",
        [value("h", shape=[2, 5]), value("row", shape=[2, 3])],
        [value("h2", shape=[2, 5]), value("o", shape=[2, 5])],
    )
    for back in (0, 1):
        scan = make("Scan", ["h0", "x"], ["h_n", "y"], body=cell, num_scan_inputs=1, scan_input_axes=[1], scan_input_directions=[back], scan_output_axes=[back], scan_output_directions=[back])
        found[f"scan_{back}"] = by_runtime([scan], {"x": x(2, 4, 3), "h0": x(2, 5)}, ["h_n", "y"], {"w": x(3, 5)}, 16)
    # Weights of 8 bits.
    for signed in (False, True):
        dtype, low = (np.int8, -128) if signed else (np.uint8, 0)
        weights = lambda *shape: rng.integers(low, low + 256, shape).astype(dtype)  # noqa: E731
        zero = lambda *shape: (np.zeros(shape) if signed else np.full(shape, 121)).astype(dtype)  # noqa: E731
        constants = {"w": weights(2, 3, 20), "r": weights(2, 5, 20), "b": x(2, 40), "ws": np.full(2, 0.01, dtype=np.float32)}
        constants |= {"wz": zero(2), "rs": np.full(2, 0.02, dtype=np.float32), "rz": zero(2)}
        names = ["x", "w", "r", "b", "", "h0", "c0", "", "ws", "wz", "rs", "rz"]
        lstm = make("DynamicQuantizeLSTM", names, ["y", "h", "c"], domain="com.microsoft", direction="bidirectional", hidden_size=5)
        given = {"x": x(4, 2, 3), "h0": x(2, 2, 5), "c0": x(2, 2, 5)}
        found[f"dynamic_quantize_lstm_{signed}"] = by_runtime([lstm], given, ["y", "h", "c"], constants, 14)
        for op in ("DynamicQuantizeMatMul", "MatMulIntegerToFloat"):
            constants = {"b": weights(6, 4), "bs": np.array([0.03], dtype=np.float32), "bz": zero(1)[0], "bias": x(4)}
            if op == "DynamicQuantizeMatMul":
                one = make(op, ["a", "b", "bs", "bz", "bias"], ["y"], domain="com.microsoft")
                given = {"a": x(3, 6)}
            else:
                one = make(op, ["a", "b", "as", "bs", "az", "bz", "bias"], ["y"], domain="com.microsoft")
                given = {"a": rng.integers(0, 256, (3, 6)).astype(np.uint8)}
                constants |= {"as": np.array([0.02], dtype=np.float32), "az": np.array(7, dtype=np.uint8)}
            found[f"{op}_{signed}"] = by_runtime([one], given, ["y"], constants, 14)
    # Convolutions beside the node tests: groups, strides, dilations, one axis and two.
    for number, (shape, w, attributes) in enumerate([
        ((2, 4, 11), (6, 2, 3), dict(group=2, strides=[2], pads=[1, 2])),
        ((1, 6, 9), (6, 1, 5), dict(group=6, auto_pad="SAME_LOWER")),
        ((2, 3, 8, 7), (5, 3, 3, 2), dict(strides=[2, 1], dilations=[1, 2], pads=[1, 0, 2, 1])),
        ((1, 1, 5, 5), (2, 1, 1, 1), dict(auto_pad="VALID")),
    ]):
        conv = make("Conv", ["x", "w", "b"], ["y"], **attributes)
        found[f"conv_{number}"] = by_runtime([conv], {"x": x(*shape)}, ["y"], {"w": x(*w), "b": x(w[0])}, 13)
    for number, (shape, w, attributes) in enumerate([
        ((2, 4, 5), (4, 3, 4), dict(strides=[2], pads=[1, 1])),
        ((1, 4, 4, 3), (4, 2, 3, 3), dict(group=2, strides=[2, 2], output_padding=[1, 0], pads=[1, 1, 0, 1])),
        ((1, 2, 6), (2, 1, 3), dict(strides=[3], output_padding=[2])),
    ]):
        conv = make("ConvTranspose", ["x", "w"], ["y"], **attributes)
        found[f"conv_transpose_{number}"] = by_runtime([conv], {"x": x(*shape)}, ["y"], {"w": x(*w)}, 11)
    # Double through float32 in a recurrence, and halves kept by what only moves them.
    given = {"x": x(3, 4).astype(np.float16), "i": np.array([2, 0], dtype=np.int64)}
    nodes = [make("Gather", ["x", "i"], ["g"]), make("Add", ["g", "k"], ["a"]), make("Tanh", ["a"], ["y"])]
    found["half"] = by_runtime(nodes, given, ["y"], {"k": x(4).astype(np.float16)}, 14)
    return found


def more() -> dict:
    return node_tests() | small_models()


def main() -> None:
    makers = {"node": node, "runtime": runtime, "operators": operators, "more": more}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", help="of: " + ", ".join(makers))
    wanted = parser.parse_args().what or list(makers)
    unknown = set(wanted) - set(makers)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    for name in wanted:
        save(name, makers[name]())


if __name__ == "__main__":
    main()
