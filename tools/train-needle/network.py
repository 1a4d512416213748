"""The training network of network.cpp from Python: builds the library when needed and wraps its C interface."""
import ctypes, os, subprocess, tempfile
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.join(HERE, "..", "..", "artifacts", "train-needle")
# The two silenced warnings come from the compiler's own intrinsics headers.
# Sums may be regrouped into vectors; the rest of -ffast-math would hide a loss that is not a number.
FLAGS = ("-O3 -march=native -std=c++20 -shared -fPIC -pthread -Wall -Wextra -Wno-uninitialized -Wno-maybe-uninitialized -mprefer-vector-width=512 "
         "-fno-math-errno -fno-trapping-math -fno-signed-zeros -fassociative-math -freciprocal-math").split()
PHASES = ["forward products", "forward attention", "head", "backward products", "weight gradients", "backward attention", "optimiser"]


def build():
    """Path of the shared library, compiled anew if any source is younger."""
    target = os.path.join(CACHE, "network.so")
    sources = [os.path.join(HERE, f) for f in os.listdir(HERE) if f.endswith((".h", ".cpp"))]
    if os.path.exists(target) and os.path.getmtime(target) >= max(map(os.path.getmtime, sources)):
        return target
    os.makedirs(CACHE, exist_ok=True)
    # Linked under another name first, so that a process that has the old library loaded keeps it whole.
    handle, fresh = tempfile.mkstemp(suffix=".so", dir=CACHE)
    os.close(handle)
    subprocess.run(["g++", *FLAGS, os.path.join(HERE, "network.cpp"), "-o", fresh], check=True)
    os.replace(fresh, target)
    return target


def library():
    lib = ctypes.CDLL(build())
    P, I, L, F, D = ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_float, ctypes.c_double
    def declare(name, result, *arguments):
        f = getattr(lib, name)
        f.restype, f.argtypes = result, arguments
    declare("create", P, I, I, I, I, I, I, F, I, I)
    for name in ("destroy", "zero_gradients", "prepare"): declare(name, None, P)
    for name in ("parameter_count", "state_count"): declare(name, L, P)
    for name in ("parameters", "gradients", "state"): declare(name, P, P)
    declare("tensor_count", I, P)
    declare("tensor", None, P, I, P, P, P)
    declare("configure_tensor", None, P, I, F, F, I)
    declare("accumulate", D, P, I, P, P, P, P, F, P, P)
    declare("evaluate", D, P, I, P, P, P, P, P, P, P, P)
    declare("optimiser_step", F, P, F, F, F, F, F, F, F)
    declare("phase_count", I)
    declare("phase_cycles", None, P, P)
    return lib


class Batch:
    """Sequences packed one after another: (ids, targets, positions) each, with target -1 where there is no loss."""

    def __init__(self, sequences):
        lengths = [len(ids) for ids, _, _ in sequences]
        self.offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        self.ids, self.targets, self.positions = (
            np.ascontiguousarray(np.concatenate([np.asarray(s[i]) for s in sequences]), np.int32) for i in range(3))
        assert len(self.ids) == len(self.targets) == len(self.positions) == self.offsets[-1]
        self.target_count = int((self.targets >= 0).sum())

    def arguments(self):
        return (len(self.offsets) - 1, self.offsets.ctypes.data, self.ids.ctypes.data, self.targets.ctypes.data, self.positions.ctypes.data)


class Network:
    """Views of the flat arrays are numpy arrays over the library's own memory. Call prepare() after writing parameters."""

    def __init__(self, vocab, dim, layers, heads, kv_heads, ffn, theta, threads=2, plain=False):
        self.lib = library()
        self.vocab = vocab
        self.handle = self.lib.create(vocab, dim, layers, heads, kv_heads, ffn, theta, threads, int(plain))
        if not self.handle:
            raise ValueError("vocab, dim, ffn and head size must be multiples of 32, and the bf16 path needs AMX")
        n = self.lib.parameter_count(self.handle)
        self.parameters, self.gradients = self._view(self.lib.parameters, n), self._view(self.lib.gradients, n)
        self.state = self._view(self.lib.state, self.lib.state_count(self.handle))
        parts = ["norm1", "q", "k", "v", "o", "norm2", "gate", "up", "down"]
        self.names = ["embedding"] + [f"{l}.{p}" for l in range(layers) for p in parts] + ["norm"]
        self.places = {name: self._place(i) for i, name in enumerate(self.names)}

    def __del__(self):
        if getattr(self, "handle", None):
            self.lib.destroy(self.handle)

    def _view(self, getter, count):
        return np.ctypeslib.as_array(ctypes.cast(getter(self.handle), ctypes.POINTER(ctypes.c_float)), (count,))

    def _place(self, index):
        offset, rows, cols = ctypes.c_long(), ctypes.c_int(), ctypes.c_int()
        self.lib.tensor(self.handle, index, ctypes.byref(offset), ctypes.byref(rows), ctypes.byref(cols))
        return offset.value, rows.value, cols.value

    def tensor(self, name, of=None):
        """View of one tensor in `of`, a flat array laid out like the parameters (by default those)."""
        offset, rows, cols = self.places[name]
        view = (self.parameters if of is None else of)[offset:offset + rows * cols]
        return view if rows == 1 else view.reshape(rows, cols)

    def initialise(self, seed):
        """Norms at one; matrices normal, with the spread that suits their inputs."""
        random = np.random.default_rng(seed)
        for name in self.names:
            t = self.tensor(name)
            if t.ndim == 1: t[:] = 1
            else: t[:] = random.standard_normal(t.shape, np.float32) * (0.02 if name == "embedding" else 0.7 * t.shape[1] ** -0.5)
        self.prepare()

    def configure(self, name, lr_multiplier=1.0, decay_multiplier=1.0, muon=False):
        """Muon for embedding and norms is not offered. By default layer matrices use Muon and norms do not decay."""
        self.lib.configure_tensor(self.handle, self.names.index(name), lr_multiplier, decay_multiplier, int(muon))

    def prepare(self):
        self.lib.prepare(self.handle)

    def zero_gradients(self):
        self.lib.zero_gradients(self.handle)

    def _check(self, batch):
        # The library trusts its input, and a wrong id would read or write outside its arrays.
        if len(batch.ids) and not (0 <= batch.ids.min() and max(batch.ids.max(), batch.targets.max()) < self.vocab and 0 <= batch.positions.min()):
            raise ValueError("id, target or position out of range")

    def accumulate(self, batch, weight):
        """Adds weight * gradient of the sum of losses; returns (sum of losses, correct, targets)."""
        self._check(batch)
        correct, targets = ctypes.c_long(), ctypes.c_long()
        loss = self.lib.accumulate(self.handle, *batch.arguments(), weight, ctypes.byref(correct), ctypes.byref(targets))
        return loss, correct.value, targets.value

    def evaluate(self, batch):
        """(sum of losses, correct, targets, choices, losses); the arrays are one a token, and -1 and 0 off the targets."""
        self._check(batch)
        choices, losses = np.full(len(batch.ids), -1, np.int32), np.zeros(len(batch.ids), np.float32)
        correct, targets = ctypes.c_long(), ctypes.c_long()
        loss = self.lib.evaluate(self.handle, *batch.arguments(), choices.ctypes.data, losses.ctypes.data, ctypes.byref(correct), ctypes.byref(targets))
        return loss, correct.value, targets.value, choices, losses

    def step(self, lr, beta1=0.9, beta2=0.98, epsilon=1e-8, decay=0.1, muon_momentum=0.95, clip=1.0):
        """Optimiser step and prepare(); returns the gradient norm before clipping. Zero the gradients yourself."""
        return self.lib.optimiser_step(self.handle, lr, beta1, beta2, epsilon, decay, muon_momentum, clip)

    def phases(self):
        """Share of all threads' cycles by phase since the last call."""
        cycles = np.zeros(self.lib.phase_count())
        self.lib.phase_cycles(self.handle, cycles.ctypes.data)
        return dict(zip(PHASES, cycles / max(cycles.sum(), 1)))
