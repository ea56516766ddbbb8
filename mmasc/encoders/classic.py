"""`classic`: no network, 26 numbers as in the first published baselines; what a learnt encoder has to beat.

Mean and deviation of MFCC and of the zero-crossing rate (`mmasc.features.classic`), each less its typical value and
divided by its typical spread over everyday recordings, so that all count alike once a head makes unit vectors of them.
"""

from dataclasses import asdict

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mmasc.encoders.base import Encoder
from mmasc.encoders.identity import identity_digest
from mmasc.encoders.spec import EncoderSpec
from mmasc.errors import MmascError
from mmasc.features.classic import CLASSIC, FRAME, N_COEFFICIENTS, RANGE_DB, ClassicFeatures

# Mean and standard deviation over 161 everyday recordings of ten seconds (none of ESC), rounded: MFCC 1 to 12 and
# crossings, first their means, then their deviations
_TYPICAL = np.array(
    [126.0, -41.0, 23.0, -12.0, 12.0, -11.0, 5.4, -6.2, 2.0, -2.6, -2.1, -0.3, 0.092]
    + [29.0, 26.0, 17.0, 15.0, 12.0, 11.0, 9.3, 9.4, 8.8, 8.1, 8.0, 7.4, 0.033],
    np.float32,
)
_SPREAD = np.array(
    [66.0, 54.0, 37.0, 32.0, 25.0, 22.0, 18.0, 17.0, 15.0, 13.0, 9.9, 9.9, 0.084]
    + [19.0, 15.0, 9.6, 8.3, 5.5, 5.4, 4.9, 4.7, 4.4, 4.2, 4.5, 3.9, 0.027],
    np.float32,
)


class Classic(Encoder):
    """26 standardised numbers of a window.

    Args:
        spec: Specification from the registry.
        path: Nothing: there are no weights.
        device: Where they are computed.
    Raises:
        MmascError: If a path is given.
    """

    def __init__(self, spec: EncoderSpec, path: str | None = None, device: str = "cpu") -> None:
        if path is not None:
            raise MmascError(f"{spec.name} has no weights and takes no path; leave {path!r} out")
        super().__init__(spec, path, device)
        self.features = ClassicFeatures().to(self.device)
        self._typical, self._spread = (torch.from_numpy(one).to(self.device) for one in (_TYPICAL, _SPREAD))
        constants = {
            "log_mel": asdict(CLASSIC),
            "frame": FRAME,
            "coefficients": N_COEFFICIENTS,
            "range_db": RANGE_DB,
            "typical": [float(value) for value in _TYPICAL],
            "spread": [float(value) for value in _SPREAD],
        }
        self.identity = identity_digest(spec, {}, constants)

    def parameter_counts(self) -> tuple[int, int]:
        """None are learnt."""
        return 0, 0

    def _audio(self, waveforms: Float[Tensor, "batch time"]) -> Float[Tensor, "batch dim"]:
        return (self.features(waveforms) - self._typical) / self._spread
