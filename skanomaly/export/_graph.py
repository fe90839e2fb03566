"""A graph of ONNX, written node by node: operators take names of values, or constants."""

import itertools

import numpy as np

from skanomaly.exceptions import MissingDependencyError

__all__ = ["OPSET", "Graph", "import_onnx"]

# The version of the operators: the first whose reductions all take axes as an input.
OPSET = 18
# The version of the file format that goes with it.
_IR_VERSION = 8


def import_onnx():
    """Import the package onnx, or say how to install it."""
    try:
        import onnx
    except ImportError as error:
        raise MissingDependencyError(
            "export_onnx needs the package onnx; it is not installed. "
            "Run: pip install 'skanomaly[onnx]'"
        ) from error
    return onnx


class Graph:
    """Nodes in the order in which they run, and the constants they read.

    Parameters
    ----------
    parent : Graph or None, default=None
        The graph around the body of a loop or a branch, whose values the body may read, too.
    """

    def __init__(self, parent=None):
        self._onnx = import_onnx()
        self.nodes = []
        # Constants and numbers for names are shared, so that no name occurs twice.
        self.constants = [] if parent is None else parent.constants
        self._numbers = itertools.count() if parent is None else parent._numbers

    def new_name(self, kind):
        """Make a name that no other value has."""
        return f"{kind}_{next(self._numbers)}"

    def constant(self, value):
        """Keep an array in the graph and return its name; integers become int64."""
        value = np.asarray(value)
        if value.dtype.kind == "i":
            value = value.astype(np.int64)
        name = self.new_name("constant")
        # from_array keeps the order in memory of what is not contiguous, as if it were.
        value = np.ascontiguousarray(value).reshape(value.shape)
        self.constants.append(self._onnx.numpy_helper.from_array(value, name))
        return name

    def __call__(self, operator, *inputs, n_outputs=1, output=None, **attributes):
        """Add a node.

        Parameters
        ----------
        operator : str
            Its name in ONNX.
        *inputs : str, array-like or None
            Names of values, constants, or None for an input that is left out.
        n_outputs : int, default=1
            Values that it returns.
        output : str or None, default=None
            Name of the value that it returns; None makes one.
        **attributes
            Of the operator.

        Returns
        -------
        name : str, or list of str where there are several
        """
        names = [self._name(value) for value in inputs]
        made = [output or self.new_name(operator.lower()) for _ in range(n_outputs)]
        # Named, for ONNX Runtime names what it fuses by the nodes that were there.
        node = self._onnx.helper.make_node(
            operator, names, made, name=f"{made[0]}_node", **attributes
        )
        self.nodes.append(node)
        return made[0] if n_outputs == 1 else made

    def _name(self, value):
        if value is None:
            return ""
        return value if isinstance(value, str) else self.constant(value)

    def cast(self, value, dtype, **options):
        """Convert a value to a dtype of NumPy."""
        to = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self("Cast", value, to=to, **options)

    def size(self, value, axis):
        """Return the length of an axis as a scalar, int64."""
        return self("Gather", self("Shape", value), axis)

    def shape(self, *lengths):
        """Join lengths, scalars or constants, into a shape: (n_axes,), int64."""
        parts = [
            self("Unsqueeze", n, [0]) if isinstance(n, str) else self.constant([n]) for n in lengths
        ]
        return self("Concat", *parts, axis=0)

    def flip(self, value, axis):
        """Reverse an axis."""
        return self("Slice", value, [-1], [-(2**62)], [axis], [-1])

    def describe(self, value, dtype, shape=None):
        """Describe a value, as bodies of loops and models must; without a shape it may have any."""
        to = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self._onnx.helper.make_tensor_value_info(value, to, shape)

    def choose(self, condition, then, otherwise):
        """Return what one of two functions of a graph says, by a condition of one value."""
        branches = []
        for say in (then, otherwise):
            body = Graph(self)
            said = body("Identity", say(body))
            info = self._onnx.ValueInfoProto(name=said)
            branches.append(self._onnx.helper.make_graph(body.nodes, "branch", [], [info]))
        return self("If", condition, then_branch=branches[0], else_branch=branches[1])

    def loop(self, n_rounds, carried, step, *, collected=()):
        """Repeat `step` and return what it carried on, then what was collected of each round.

        Parameters
        ----------
        n_rounds : str
            How often, a scalar.
        carried : list of (str, dtype)
            Values before the first round.
        step : callable
            ``step(body, i, values)`` returns a list: the values after round i, then what is
            collected, and last whether to go on, a scalar of bool or None for always.
        collected : list of dtype, default=()
            Of what is collected; its shape must be the same in all rounds.
        """
        body = Graph(self)
        i, condition = body.new_name("round"), body.new_name("condition")
        names = [body.new_name("carried") for _ in carried]
        *said, further = step(body, i, names)
        further = body("Identity", condition if further is None else further)
        said = [body("Identity", value) for value in said]
        dtypes = [dtype for _, dtype in carried]
        inputs = [body.describe(i, np.int64, []), body.describe(condition, bool, [])]
        inputs += [body.describe(*pair) for pair in zip(names, dtypes, strict=True)]
        outputs = [body.describe(further, bool, [])]
        outputs += [body.describe(*pair) for pair in zip(said, [*dtypes, *collected], strict=True)]
        graph = self._onnx.helper.make_graph(body.nodes, "round", inputs, outputs)
        start = [value for value, _ in carried]
        always = self.constant(np.array(True))
        result = self("Loop", n_rounds, always, *start, n_outputs=len(said), body=graph)
        return [result] if len(said) == 1 else result

    def model(self, inputs, outputs, metadata):
        """Close the graph.

        Parameters
        ----------
        inputs, outputs : list of (name, dtype, shape)
            Axes of any length have a name in the shape.
        metadata : dict of str to str
            What to write beside the graph.

        Returns
        -------
        model : onnx.ModelProto
            Checked by ``onnx.checker``, types and shapes included.
        """
        helper = self._onnx.helper
        infos = [[self.describe(*value) for value in values] for values in (inputs, outputs)]
        graph = helper.make_graph(self.nodes, "skanomaly", *infos, self.constants)
        model = helper.make_model(
            graph,
            producer_name="skanomaly",
            producer_version=metadata["skanomaly_version"],
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=_IR_VERSION,
        )
        helper.set_model_props(model, metadata)
        self._onnx.checker.check_model(model, full_check=True)
        return model
