"""The compiled code behind the functions of :class:`~scyan_exp.module.ScyanModule`."""

from __future__ import annotations

import ctypes
import threading
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from scyan_exp.fused.compiling import library
from scyan_exp.module.scyan_module import ScyanModule

#: A batch is summed in so many parts, whatever the number of threads, so that results do not depend
#: on it. 24 can be shared evenly among 2, 3, 4, 6, 8, 12 or 24 threads.
N_CHUNKS = 24
#: Cells that the C code takes at a time (TILE of products.h). A part without cells would add zeros:
#: at 256 cells, clearing and adding 20 such parts took a fifth of the step.
TILE = 64
#: Log-probability of the padding populations that fill up a vector: as good as zero probability.
NOTHING = -1e30
#: What the compiled code reads and writes, whatever PyTorch's defaults are.
FLOATS: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}


def fused(module: ScyanModule) -> FusedModule | None:
    """The compiled version of a module; None without a compiler."""
    code = library()
    return None if code is None else FusedModule(module, code)


class _Shape(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_int64)
        for name in (
            "n_markers",
            "n_covariates",
            "n_pops",
            "n_layers",
            "n_hidden_layers",
            "hidden_size",
        )
    ]


class _Prior(ctypes.Structure):
    _fields_ = [
        *(
            (name, ctypes.c_void_p)
            for name in (
                "square",
                "linear",
                "square_t",
                "linear_t",
                "constant",
                "half_precision",
            )
        ),
        ("flat", ctypes.c_float),
    ]


class FusedModule:
    """Computes what a :class:`ScyanModule` does, for parameters in float32 on the CPU.

    It reads the module's parameters and buffers at each call. Results equal those of the module up
    to rounding, and do not depend on the number of threads, which is PyTorch's. There are gradients
    of the parameters, but none of the cells.

    Args:
        module: the module to compute.
        code: the compiled code.
    """

    def __init__(self, module: ScyanModule, code: ctypes.CDLL) -> None:
        self.module, self._code = module, code
        for function in ("lanes", "packed_size", "gradient_size", "workspace_size"):
            getattr(code, function).restype = ctypes.c_int64
        self._lock = threading.Lock()
        flow, hparams = module.real_nvp, module.hparams
        n_covariates = flow.layers[0].shapes[0][1] - len(flow.layers[0].kept)
        self._shape = _Shape(
            module.n_markers,
            n_covariates,
            module.n_pops,
            hparams.n_layers,
            hparams.n_hidden_layers,
            hparams.hidden_size,
        )
        self._packed = torch.empty(code.packed_size(ctypes.byref(self._shape)), **FLOATS)
        # Kept from step to step: taking the memory anew each time would cost page faults.
        self._workspace = torch.empty(0, **FLOATS)
        self._sums = torch.empty(N_CHUNKS, 2, dtype=torch.float64, device="cpu")
        self._posteriors = torch.empty(N_CHUNKS, _padded(module.n_pops, code.lanes()), **FLOATS)
        self._gradients = torch.empty(
            N_CHUNKS, code.gradient_size(ctypes.byref(self._shape)), **FLOATS
        )
        self._prior_key: tuple[float | int, ...] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy sets itself up anew: what the C code holds is not copied."""
        return fused, (self.module,)

    @property
    def _phi(self) -> list[Tensor]:
        return [layer.phi for layer in self.module.real_nvp.layers]

    @property
    def applies(self) -> bool:
        """Whether the module can be computed here: in float32 on the CPU, without autocast."""
        pi_logit = self.module.pi_logit
        return (
            pi_logit.device.type == "cpu"
            and pi_logit.dtype == torch.float32
            and not torch.is_autocast_enabled("cpu")
        )

    def loss_terms(
        self, x: Tensor, covariates: Tensor, use_temp: bool | Tensor
    ) -> tuple[Tensor, Tensor]:
        """As :meth:`ScyanModule.loss_terms`; the second term has no gradient."""
        loss, ldj = _Loss.apply(self, x, covariates, self.module.log_weights(use_temp), *self._phi)
        return loss, ldj

    @torch.no_grad()
    def compute_probabilities(
        self, x: Tensor, covariates: Tensor, use_temp: bool | Tensor = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As :meth:`ScyanModule.compute_probabilities`, without gradient."""
        u, ldj = self.transform(x, covariates)
        return self.module.prior.log_prob(u) + self.module.log_weights(use_temp), ldj, u

    @torch.no_grad()
    def transform(self, x: Tensor, covariates: Tensor) -> tuple[Tensor, Tensor]:
        """Latent expressions (B, M) and log-determinants (B,), without gradient."""
        x, covariates = self._checked(x, covariates)
        u, ldj = torch.empty_like(x), torch.empty(len(x), **FLOATS)
        with self._lock:
            self._pack()
            n_threads = self._n_threads()
            self._code.transform(
                ctypes.byref(self._shape),
                *_pointers(self._packed, x, covariates, self.module.real_nvp.order),
                *map(ctypes.c_int64, (len(x), n_threads)),
                *_pointers(self._workspace, u, ldj),
            )
        return u, ldj

    def loss_and_gradient(
        self, x: Tensor, covariates: Tensor, log_weights: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
        """Loss, mean ldj, and the gradients of the loss: of log_weights (P,), of each layer."""
        x, covariates = self._checked(x, covariates)
        d_phi = [torch.empty_like(phi) for phi in self._phi]
        with self._lock:
            self._pack()
            prior, _constant = self._prior(log_weights)
            n_threads = self._n_threads()
            n_chunks = max(1, min(N_CHUNKS, -(-len(x) // TILE)))
            self._code.loss_and_gradient(
                ctypes.byref(self._shape),
                *_pointers(self._packed),
                ctypes.byref(prior),
                *_pointers(x, covariates, self.module.real_nvp.order),
                *map(ctypes.c_int64, (len(x), n_chunks, n_threads)),
                *_pointers(self._workspace, self._sums, self._posteriors, self._gradients),
            )
            self._code.unpack_gradient(
                ctypes.byref(self._shape),
                *_pointers(self._gradients),
                ctypes.c_int64(n_chunks),
                _array_of_pointers(d_phi),
            )
            log_likelihood, ldj = (self._sums[:n_chunks].sum(dim=0) / len(x)).to(x.dtype)
            posterior_P = self._posteriors[:n_chunks, : self.module.n_pops].sum(dim=0)
        return -(log_likelihood + ldj), ldj, posterior_P / -len(x), d_phi

    def _checked(self, x: Tensor, covariates: Tensor) -> tuple[Tensor, Tensor]:
        """A tensor that the C code may read: it checks neither shapes nor types itself.

        Raises:
            ValueError: the shape or type is not that of the module.
        """
        expected = (len(x), self._shape.n_markers), (len(x), self._shape.n_covariates)
        found = tuple(x.shape), tuple(covariates.shape)
        if found != expected or x.dtype != torch.float32 or x.device.type != "cpu":
            raise ValueError(
                f"expected float32 expressions of shape {expected[0]} and covariates of shape "
                f"{expected[1]} on the CPU, got {x.dtype} {found[0]} on {x.device} and {found[1]}"
            )
        return x.contiguous(), covariates.to(**FLOATS).contiguous()

    def _pack(self) -> None:
        self._code.pack(
            ctypes.byref(self._shape), _array_of_pointers(self._phi), *_pointers(self._packed)
        )

    def _prior(self, log_weights: Tensor) -> tuple[_Prior, Tensor]:
        """The prior in the layout of the compiled code; its constant changes at every step.

        Returns:
            The prior, and the tensor of the constant, which must be kept as long as the prior.
        """
        prior = self.module.prior
        std = float(prior.prior_std)
        key = (std, prior.modes.data_ptr(), prior.modes._version, prior.known._version)
        if key != self._prior_key:
            self._arrange_prior()
            self._prior_key = key
        n_pops = self.module.n_pops
        constant = torch.full((self._posteriors.shape[1],), NOTHING, **FLOATS)
        constant[:n_pops] = self._log_prob_constant + log_weights.detach()
        pointers = (matrix.data_ptr() for matrix in (*self._matrices, constant, self._precision))
        return _Prior(*pointers, 1 - std), constant

    @torch.inference_mode(False)
    @torch.no_grad()
    def _arrange_prior(self) -> None:
        """Sort the markers of the prior's matrices, and pad them."""
        order, lanes = self.module.real_nvp.order, self._code.lanes()
        width = self._shape.n_markers + self._shape.n_covariates
        self._log_prob_constant, square_MP, linear_MP = self.module.prior.coefficients(
            torch.float32
        )
        square, linear = square_MP[order], linear_MP[order]
        self._matrices = [
            _pad(square, lanes),
            _pad(linear, lanes),
            _pad(_widen(square.T, width), lanes),
            _pad(_widen(linear.T, width), lanes),
        ]
        row = torch.zeros(1, width, **FLOATS)
        row[:, : len(order)] = self.module.prior.half_precision(torch.float32)
        self._precision = _pad(row, lanes)

    def _n_threads(self) -> int:
        """PyTorch's number of threads; makes sure that each has its workspace."""
        n_threads = torch.get_num_threads()
        size = self._code.workspace_size(ctypes.byref(self._shape))
        if len(self._workspace) < n_threads * size:
            self._workspace = torch.empty(n_threads * size, **FLOATS)
        return n_threads


class _Loss(torch.autograd.Function):
    """The loss; its gradient is computed with it, since both read the same activations."""

    @staticmethod
    def forward(
        ctx: Any,
        computing: FusedModule,
        x: Tensor,
        covariates: Tensor,
        log_weights: Tensor,
        *phi: Tensor,
    ) -> tuple[Tensor, Tensor]:
        loss, ldj, d_log_weights, d_phi = computing.loss_and_gradient(x, covariates, log_weights)
        ctx.gradients = [d_log_weights, *d_phi]
        ctx.mark_non_differentiable(ldj)
        return loss, ldj

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_loss: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        gradients = ctx.gradients
        if d_loss != 1:
            gradients = [d_loss * gradient for gradient in gradients]
        return None, None, None, *gradients


def _pointers(*tensors: Tensor) -> list[ctypes.c_void_p]:
    return [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]


def _array_of_pointers(tensors: list[Any]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))


def _padded(n: int, lanes: int) -> int:
    return -(-n // lanes) * lanes


def _widen(matrix: Tensor, width: int) -> Tensor:
    """A matrix with further columns of zeros."""
    wide = matrix.new_zeros(len(matrix), width)
    wide[:, : matrix.shape[1]] = matrix
    return wide


def _pad(matrix: Tensor, lanes: int) -> Tensor:
    """A matrix with further columns of zeros, up to whole vectors."""
    return _widen(matrix, _padded(matrix.shape[1], lanes))
