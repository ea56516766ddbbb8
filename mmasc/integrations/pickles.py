"""Estimators of scikit-learn that hold an encoder: clones share it, and pickles hold no network."""

from typing import Any

from mmasc.encoders.registry import build_encoder
from mmasc.encoders.spec import Origin


class HoldsEncoder:
    """For an estimator whose parameter `encoder` is a name or a loaded encoder, and whose `_loaded` is the latter.

    In another process a name is loaded by name, and an encoder is built there from what it was built from here.
    """

    def __sklearn_clone__(self) -> Any:
        return type(self)(**self.get_params(deep=False))  # type: ignore[attr-defined]

    def __getstate__(self) -> dict[str, Any]:
        state: Any = super().__getstate__()
        origin, backend = (getattr(state["encoder"], name, None) for name in ("origin", "backend"))
        state = {key: value for key, value in state.items() if key != "_loaded"}
        return state if origin is None else state | {"encoder": (origin, backend)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if isinstance(state["encoder"], tuple):
            origin, backend = state["encoder"]
            state = state | {"encoder": build_encoder(Origin(*origin), backend)}
        super().__setstate__(state)  # type: ignore[misc]
