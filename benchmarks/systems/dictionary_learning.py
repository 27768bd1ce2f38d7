"""dictionary_learning: its trainers' updates. Its warm-up takes 1,000 steps, or fewer in a training that has an end."""

from tasks import DECAY, L1, WARMUP, Task
from torch import Tensor

from systems import Make, System, without_init

without_init("dictionary_learning")

from dictionary_learning.trainers.batch_top_k import BatchTopKTrainer  # noqa: E402
from dictionary_learning.trainers.standard import StandardTrainerAprilUpdate  # noqa: E402
from dictionary_learning.trainers.top_k import TopKTrainer  # noqa: E402


def make(task: Task) -> System:
    steps = task.steps
    common = {
        "steps": steps or 10**9,
        "warmup_steps": int(WARMUP * steps) if steps else 1_000,
        "decay_start": int((1 - DECAY) * steps) if steps else None,
        "activation_dim": task.n_inputs,
        "dict_size": task.n_latents,
        "lr": task.lr,
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

    def rebuild(x: Tensor) -> tuple[Tensor, Tensor]:
        codes = trainer.ae.encode(x)
        return codes, trainer.ae.decode(codes)

    return System(train, rebuild, lambda: trainer.ae.decoder.weight.T)


SYSTEMS: dict[str, Make] = {"dictionary_learning": make}
