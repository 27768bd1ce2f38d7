"""The sparse autoencoder: a composition of parts, and final."""

import copy
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from numbers import Integral
from pathlib import Path
from typing import Any, final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from sparsight.core.architecture import Architecture, Output
from sparsight.core.chain import Chain
from sparsight.core.codes import Codes
from sparsight.core.network import Gradients, Sizes
from sparsight.core.preparation import Preprocess
from sparsight.core.records import Schema, Step
from sparsight.core.steering import steering
from sparsight.core.taps import editing
from sparsight.core.term import Part
from sparsight.errors import SparsightError
from sparsight.spec import build, describe

FORMAT = 1


@final
class SAE(nn.Module):
    """codes = activation(encoder(x));  recon = output(decoder(codes)).

    By default encoder(x) = W_enc (x − b_dec) + b_enc and decoder(codes) = codes W_dec + b_dec, with
    `W_enc`, `W_dec` [F, D] (one row per feature in both), `b_enc` [F], `b_dec` [D].

    `encode`, `decode` and `forward` work in the units of the model; `transform` and `reconstruct` take raw
    samples, and the preprocessing in between is part of the model and saved with it. Where targets are not the inputs,
    they have the same preprocessing, fitted to themselves, and `reconstruct` gives the units of raw targets.

    Args:
        schema: what the samples are like.
        n_latents: F, the number of features.
        architecture: its parts; they are copied.
        preprocess: applied to raw samples, in order.
        output: the function that turns the decoder's sum into the reconstruction; the architecture's, by default.
    """

    def __init__(
        self,
        schema: Schema,
        n_latents: int,
        architecture: Architecture,
        *,
        preprocess: Iterable[Preprocess] = (),
        output: Output | None = None,
    ) -> None:
        super().__init__()
        if n_latents < 1:
            raise SparsightError(f"n_latents is {n_latents}: an autoencoder needs at least 1 feature")
        self._check_targets(schema, architecture)
        self.schema = schema
        self.sizes = Sizes(schema.n_inputs, n_latents, schema.n_targets or schema.n_inputs)
        self.architecture = describe(architecture)
        self.output: Output = output or architecture.output
        self.preprocess = Chain(copy.deepcopy(part) for part in preprocess)
        self.preprocess.setup(schema.n_inputs)
        self.own_targets: Chain | None = None
        if schema.n_targets is not None:
            self.own_targets = Chain(copy.deepcopy(part) for part in preprocess)
            self.own_targets.setup(schema.n_targets)
        # together, so that what they share they go on sharing
        parts = copy.deepcopy((architecture.encoder, architecture.activation, architecture.decoder))
        self.encoder, self.activation, self.decoder = parts
        self.decoder.setup(self.sizes)
        self.encoder.setup(self.sizes)
        self.layers[0].schema, self.layers[0].output = schema, self.output
        self.activation.setup(self.layers[-1].sizes)

    @staticmethod
    def _check_targets(schema: Schema, architecture: Architecture) -> None:
        name = describe(architecture)["name"]
        if architecture.targets and schema.n_targets is None:
            raise SparsightError(
                f"{name} maps inputs to targets, and these data have none: give some, as source.target of arrays, "
                "or use an autoencoder such as topk"
            )
        if schema.n_targets is not None and not architecture.targets:
            raise SparsightError(
                f"{name} rebuilds its inputs, and these data have targets of their own: use transcoder, "
                "or leave the targets out"
            )

    @property
    def preprocess_targets(self) -> Chain:
        """From raw targets to the units of the model: `preprocess`, where they are the inputs."""
        return self.preprocess if self.own_targets is None else self.own_targets

    @property
    def layers(self) -> Sequence["SAE"]:
        """The autoencoders that a stack is made of, from the samples up; this one alone, where it is none."""
        return self.encoder.layers or (self,)

    @property
    def n_inputs(self) -> int:
        return self.sizes.n_inputs

    @property
    def n_latents(self) -> int:
        return self.sizes.n_latents

    @property
    def W_enc(self) -> Tensor:
        """Encoder filters, [F, D]."""
        return self.encoder.weight(self.decoder)

    @property
    def W_dec(self) -> Tensor:
        """Decoder rows, [F, D_out]."""
        return self.decoder.weight

    @property
    def b_enc(self) -> Tensor:
        """Encoder biases, [F]; no parameter, but zeros, where the encoder has none."""
        return self.encoder.bias

    @property
    def b_dec(self) -> Tensor:
        """Decoder biases, [D_out]."""
        return self.decoder.bias

    def groups(self) -> dict[str, list[nn.Parameter]]:
        """The parameters by group: `encoder` (and activation) and `decoder`. A tied weight is the decoder's."""
        groups = {
            "encoder": [*self.encoder.parameters(), *self.activation.parameters()],
            "decoder": list(self.decoder.parameters()),
        }
        return {name: parameters for name, parameters in groups.items() if parameters}

    def biases(self) -> list[nn.Parameter]:
        """The parameters that have the units of the data: b_enc, b_dec and those of the activation."""
        if not self.activation.homogeneous:
            return []
        found = [self.b_enc, self.b_dec, *self.activation.biases()]
        return [p for p in found if isinstance(p, nn.Parameter)]

    def filters(self, features: Tensor | None = None) -> dict[str, Tensor]:
        """`encoder` filters and `decoder` rows in raw units, [F, D] each, without their graph and on the CPU.

        Args:
            features: of these alone, [n, D] each, and no other row is looked at.
        """
        at = slice(None) if features is None else features
        return {
            "encoder": self.preprocess.filters_in_raw_units(self.W_enc.detach()[at]).cpu(),
            "decoder": self.rows(at).cpu(),
        }

    def rows(self, features: Tensor | slice) -> Tensor:
        """Decoder rows of some features in raw units, [n, D_out], without their graph."""
        return self.preprocess_targets.rows_in_raw_units(self.decoder.rows(features).detach())

    def filters_of_inputs(self, features: Tensor | None = None) -> dict[str, Tensor]:
        """Those of `filters` that have the geometry of inputs: without decoder rows where targets are not alike."""
        found = self.filters(features)
        return {of: weights for of, weights in found.items() if of == "encoder" or self.schema.alike}

    def pre(self, x: Tensor, features: Tensor | None = None) -> Tensor:
        """Pre-activations of preprocessed samples, [B, D] to [B, F]; of some features alone, [B, n]."""
        return self.encoder(x, self.decoder, features)

    def encode(self, x: Tensor) -> Codes:
        """Codes of preprocessed samples, [B, D]."""
        return self.select(x)[1]

    def decode(self, codes: Codes, x: Tensor | None = None) -> Tensor:
        """The reconstruction in the units of the model, [B, D_out].

        Raises:
            SparsightError: the decoder has a way past the codes, and no preprocessed samples `x` are given.
        """
        return self.finish(self.decoder(codes, x))

    def finish(self, logits: Tensor) -> Tensor:
        """Apply the output function to the decoder's sum."""
        if self.output == "sigmoid":
            return logits.sigmoid()
        return logits.softmax(-1) if self.output == "softmax" else logits

    def forward(self, x: Tensor) -> Tensor:
        """Preprocessed samples to their reconstruction, both in the units of the model."""
        return self.decode(self.encode(x), x)

    def transform(self, raw: Tensor) -> Codes:
        """Codes of raw samples, [B, D]."""
        return self.encode(self.preprocess(raw))

    def reconstruct(self, raw: Tensor) -> Tensor:
        """Raw samples, [B, D], to their reconstruction in raw units, [B, D_out], as `in_raw_units` has it."""
        return self.in_raw_units(self(self.preprocess(raw)), raw)

    def in_raw_units(self, recon: Tensor, raw: Tensor | None = None) -> Tensor:
        """Reconstructions in the units of the model to raw units, [B, D_out].

        Args:
            recon: what the model made.
            raw: the samples that they are of, [B, D]. What preprocessing took out of each, such as its brightness, is
                put back, where targets are the inputs; without them all get what samples have on average.
        """
        if raw is None or self.own_targets is not None:
            return self.preprocess_targets.inverse(recon)
        return self.preprocess.restore(recon, raw)

    def steer(
        self,
        model: nn.Module,
        *,
        at: str,
        feature: int | Sequence[int],
        by: float | None = None,
        to: float | None = None,
        channels_first: bool = False,
        skip: int = 0,
    ) -> AbstractContextManager[None]:
        """While this is open, a model runs with features changed in what one of its layers gives, h [..., D].

        With d_j the decoder row in raw units, and c_j(h) the code: `by` adds h + by · d_j everywhere; `to` clamps
        h + (to − c_j(h)) · d_j, so that `to=0` ablates. What the autoencoder cannot rebuild stays as it is. Where
        several are open at once, each sees what those before it left.

        Args:
            model: any module, of which the autoencoder was trained on the layer `at`.
            at: as `model.named_modules()` has it.
            feature: one, or several that are all changed alike.
            by: in the units of codes.
            to: likewise; give one of the two.
            channels_first: h is [n, D, height, width].
            skip: places at the start of a sequence that stay as they are, such as an attention sink, whose codes are
                like no others; h is [n, places, D]. A single place, as in generating with a cache, is never skipped.

        Raises:
            SparsightError: no such feature or layer, none or both of `by` and `to`, or a layer of another width. A
                transcoder is only steered `by`.
        """
        features = [int(feature)] if isinstance(feature, Integral) else [int(j) for j in feature]
        edit = steering(self, features, by=by, to=to, channels_first=channels_first, skip=skip)
        return editing(model, {at: edit})

    def units(self, inputs: Tensor, targets: Tensor | None) -> tuple[Tensor, Tensor]:
        """`x` and `target` of raw inputs and targets; without targets they are one tensor."""
        x = self.preprocess(inputs)
        return x, x if targets is None else self.preprocess_targets(targets.to(inputs))

    def run(
        self,
        x: Tensor,
        target: Tensor,
        *,
        needs: Collection[Part] = (),
        dead: Tensor | None = None,
        weight: Tensor | None = None,
        progress: float = 1.0,
    ) -> Step:
        """One forward pass as a record; `pre` is kept only where it is needed."""
        pre = self.pre(x) if "pre" in needs else None
        chosen, codes = self.select(x, pre)
        logits = self.decoder(codes, x)
        return Step(x, target, codes, logits, self.finish(logits), pre, chosen, dead, weight, progress)

    def select(self, x: Tensor, pre: Tensor | None = None) -> tuple[Codes | None, Codes]:
        """What is chosen of the pre-activations, where the activation selects, and the codes."""
        activation = self.activation
        if not activation.selects:
            seen = None if self.encoder.layers else x
            return None, activation.select(self.pre(x) if pre is None else pre, self.layers[-1].decoder, seen)
        chosen = self.encoder.chosen(x, self.decoder, activation) if pre is None else activation.choose(pre)
        return chosen, activation.at(chosen)

    @property
    def closed_form(self) -> bool:
        """Whether encoder, activation and decoder give their gradients by `pull_back`."""
        return self.encoder.closed_form and self.activation.closed_form and self.decoder.closed_form

    @torch.no_grad()
    def pull_back(self, step: Step, gradients: Gradients) -> None:
        """Add to the parameters' gradients what follows from those of the loss with regard to logits and codes.

        This is what autograd does, for a network that is so small that autograd's bookkeeping is what takes time.

        Args:
            step: the forward pass.
            gradients: of `logits`, and where terms have them of `codes` and of parameters; they are used up.
        """
        of_codes = self.decoder.pull_back(step.codes, gradients.pop("logits"), gradients)
        if "codes" in gradients:
            of_codes = of_codes.add_(gradients.pop("codes"))
        self.encoder.pull_back(step.x, self.activation.pull_back(step.codes, of_codes), self.decoder, gradients)
        for name, gradient in gradients.items():
            parameter = getattr(self, name)
            parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)

    def described(self) -> dict[str, Any]:
        """All that is needed to build this SAE again, but for its tensors."""
        return {
            "format": FORMAT,
            "schema": {k: v for k, v in vars(self.schema).items() if v is not None},
            "n_latents": self.n_latents,
            "architecture": self.architecture,
            "preprocess": [describe(part) for part in self.preprocess],
            "output": self.output,
        }

    @classmethod
    def from_description(cls, described: Mapping[str, Any]) -> "SAE":
        """An SAE as `described()` says, with weights that are still to be filled."""
        schema: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in described["schema"].items()}
        return cls(
            Schema(**schema),
            described["n_latents"],
            build("architecture", described["architecture"]),
            preprocess=[build("preprocess", spec) for spec in described["preprocess"]],
            output=described["output"],
        )

    def save(self, path: str | Path) -> None:
        """Write one safetensors file that stands alone: tensors, and in its metadata all else that there is to know."""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}
        save_file(tensors, path, metadata={"sparsight": json.dumps(self.described())})

    @classmethod
    def load(cls, path: str | Path, *, mapped: bool = False) -> "SAE":
        """Read what `save` wrote, in evaluation mode.

        Args:
            path: the file.
            mapped: leave weights in the file, from which what is looked at is read: for models that are large beside
                memory, of which some features are wanted. Sums may then differ in their last bits.

        Raises:
            SparsightError: the file is missing, damaged or not one of ours.
        """
        path = Path(path)
        if not path.is_file():
            raise SparsightError(f"there are no weights at {str(path)!r}")
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise SparsightError(f"{str(path)!r} is damaged or no safetensors file ({error}): write it again") from None
        try:
            described = json.loads(metadata["sparsight"])
            if described["format"] > FORMAT:
                raise SparsightError(f"{str(path)!r} was written by a newer sparsight: upgrade to read it")
            with torch.device("meta" if mapped else "cpu"):
                sae = cls.from_description(described)
            sae.load_state_dict(tensors, assign=mapped)
        except SparsightError:
            raise
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            said = str(error).splitlines()[0]
            raise SparsightError(
                f"{str(path)!r} does not hold a sparsight model ({type(error).__name__}: {said})"
            ) from None
        return sae.eval()
