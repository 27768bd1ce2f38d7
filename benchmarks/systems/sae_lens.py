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
from tasks import L1, LR, Task

from systems import Make, Train


def make(task: Task) -> Train:
    sizes = {"d_in": task.n_inputs, "d_sae": task.n_latents, "device": "cpu"}
    if task.k is None:  # its error has no ½
        sae = StandardTrainingSAE(StandardTrainingSAEConfig(**sizes, l1_coefficient=2 * L1))
    elif task.of_batch:
        sae = BatchTopKTrainingSAE(BatchTopKTrainingSAEConfig(**sizes, k=task.k))
    else:
        sae = TopKTrainingSAE(TopKTrainingSAEConfig(**sizes, k=task.k))
    batches = task.batches()
    config = SAETrainerConfig(
        total_training_samples=10**9, train_batch_size_samples=task.batch_size, lr=LR, lr_end=LR, device="cpu"
    )
    trainer = SAETrainer(config, sae, batches)

    def train(steps: int) -> None:
        for _ in range(steps):
            trainer.maybe_reset_sparsity()
            trainer.step(next(batches))
            trainer.n_training_steps += 1

    return train


SYSTEMS: dict[str, Make] = {"SAELens": make}
