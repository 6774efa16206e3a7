"""The Scyan model on plain tensors: no AnnData, no configuration, no Lightning.

Letters of the paper (Blampey et al. 2023) and their names in the code:

==========  ========================  =====================================================
letter      code                      meaning
==========  ========================  =====================================================
rho         ``rho`` (P, M)            knowledge table, NaN where the expression is not known
sigma       ``prior_std``             standard deviation of the cell-specific term H
pi          ``pi``, ``pi_logit`` (P)  population weights and the logits they are learnt by
T           ``temperature``           temperature that favours small populations
f_phi       ``real_nvp``              the normalizing flow from expressions to latent space
x, u        ``x``, ``u`` (B, M)       marker expressions and latent expressions
z           ``z``                     population index
==========  ========================  =====================================================

Tensor names end in their shape: B cells, M markers, P populations, C covariate columns,
K kept markers, T transformed markers, H hidden units, 2 for the pair (s, t).
"""

from scyan_exp.module.coupling import CouplingLayer
from scyan_exp.module.prior import PriorDistribution
from scyan_exp.module.real_nvp import RealNVP
from scyan_exp.module.reference import load_reference_module
from scyan_exp.module.scyan_module import ScyanModule

__all__ = [
    "CouplingLayer",
    "PriorDistribution",
    "RealNVP",
    "ScyanModule",
    "load_reference_module",
]
