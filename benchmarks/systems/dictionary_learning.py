"""dictionary_learning: its trainers' updates, in a run that is said to be longer than its warm-up."""

from tasks import L1, LR, Task

from systems import Make, Train, without_init

without_init("dictionary_learning")

from dictionary_learning.trainers.batch_top_k import BatchTopKTrainer  # noqa: E402
from dictionary_learning.trainers.standard import StandardTrainerAprilUpdate  # noqa: E402
from dictionary_learning.trainers.top_k import TopKTrainer  # noqa: E402


def make(task: Task) -> Train:
    common = {
        "steps": 10**9,
        "activation_dim": task.n_inputs,
        "dict_size": task.n_latents,
        "lr": LR,
        "layer": 0,
        "lm_name": "none",
        "device": "cpu",
    }
    if task.k is None:  # its error has no ½
        trainer = StandardTrainerAprilUpdate(**common, l1_penalty=2 * L1)
    else:
        trainer = (BatchTopKTrainer if task.of_batch else TopKTrainer)(**common, k=task.k)
    batches = task.batches()
    done = 0

    def train(steps: int) -> None:
        nonlocal done
        for _ in range(steps):
            trainer.update(done, next(batches))
            done += 1

    return train


SYSTEMS: dict[str, Make] = {"dictionary_learning": make}
