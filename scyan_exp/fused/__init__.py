"""Loss and gradient in one pass over the cells: the model on a CPU, compiled.

>>> from scyan_exp.fused import fused        # doctest: +SKIP
>>> computing = fused(module) or module             # doctest: +SKIP
>>> loss, ldj = computing.loss_terms(x, covariates, use_temp=False)  # doctest: +SKIP
"""

from scyan_exp.fused.fused_module import FusedModule, fused

__all__ = ["FusedModule", "fused"]
