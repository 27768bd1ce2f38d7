"""SAELens: its trainer's steps, with dense activations (its sparse ones do not train on a CPU)."""

from sae_lens import (
    BatchTopKTrainingSAE,
    BatchTopKTrainingSAEConfig,
    StandardTrainingSAE,
    StandardTrainingSAEConfig,
    TopKTrainingSAE,
    TopKTrainingSAEConfig,
)
from sae_lens.config import SAETrainerConfig
from sae_lens.training.sae_trainer import SAETrainer
from tasks import DECAY, L1, Task
from torch import Tensor

from systems import Make, System


def make(task: Task) -> System:
    sizes = {"d_in": task.n_inputs, "d_sae": task.n_latents, "device": "cpu"}
    if task.k is None:  # its error has no ½
        sae = StandardTrainingSAE(StandardTrainingSAEConfig(**sizes, l1_coefficient=2 * L1))
    elif task.of_batch:
        sae = BatchTopKTrainingSAE(BatchTopKTrainingSAEConfig(**sizes, k=task.k))
    else:
        sae = TopKTrainingSAE(TopKTrainingSAEConfig(**sizes, k=task.k))
    batches = task.batches()
    config = SAETrainerConfig(
        total_training_samples=task.steps * task.batch_size if task.steps else 10**9,
        train_batch_size_samples=task.batch_size,
        lr=task.lr,
        lr_end=task.lr,
        lr_decay_steps=int(DECAY * task.steps) if task.steps else 0,
        device="cpu",
    )
    trainer = SAETrainer(config, sae, batches)

    def train(steps: int) -> None:
        for _ in range(steps):
            trainer.maybe_reset_sparsity()
            trainer.step(next(batches))
            trainer.n_training_steps += 1

    def rebuild(x: Tensor) -> tuple[Tensor, Tensor]:
        codes = sae.encode(x)
        return codes, sae.decode(codes)

    return System(train, rebuild, lambda: sae.W_dec)


SYSTEMS: dict[str, Make] = {"SAELens": make}
