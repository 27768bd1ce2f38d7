"""scikit-learn's online dictionary learning: non-negative codes by coordinate descent, one `partial_fit` a step."""

import warnings

from sklearn.decomposition import MiniBatchDictionaryLearning
from sklearn.exceptions import ConvergenceWarning
from tasks import L1, Task

from systems import Make, System


def make(task: Task) -> System | None:
    if task.k is not None:  # it would solve 2,048 problems in 4,096 unknowns a step
        return None
    model = MiniBatchDictionaryLearning(
        task.n_latents, alpha=L1, batch_size=task.batch_size, fit_algorithm="cd", positive_code=True
    )
    batches = task.batches()

    def train(steps: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            for _ in range(steps):
                model.partial_fit(next(batches).numpy())

    return System(train)


SYSTEMS: dict[str, Make] = {"scikit-learn": make}
