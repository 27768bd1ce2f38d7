"""Records, protocols and the SAE: what everything else is made of."""

from sparsight.core.architecture import Architecture, Constraint, Initialisation, Knob, Output, Sampler
from sparsight.core.atlas import Atlas, Column, Cost
from sparsight.core.chain import Chain
from sparsight.core.codes import Codes
from sparsight.core.evidence import Claim, Evidence, Watcher
from sparsight.core.findings import Finding, Number, Severity
from sparsight.core.model import Model
from sparsight.core.network import Activation, Decoder, Encoder, Gradients, Sizes
from sparsight.core.observer import Observer
from sparsight.core.preparation import Augmentation, Corruption, Preprocess
from sparsight.core.records import Batch, Context, Example, Facts, Logged, Schema, Step, generator
from sparsight.core.sae import SAE
from sparsight.core.source import Source
from sparsight.core.term import Part, SampleTerm, StatisticTerm, Term

__all__ = [
    "SAE", "Activation", "Architecture", "Atlas", "Augmentation", "Batch", "Chain", "Claim", "Codes", "Column",
    "Constraint", "Context", "Corruption", "Cost", "Decoder", "Encoder", "Evidence", "Example", "Facts", "Finding",
    "Gradients", "Initialisation", "Knob", "Logged", "Model", "Number", "Observer", "Output", "Part", "Preprocess",
    "SampleTerm", "Sampler", "Schema", "Severity", "Sizes", "Source", "StatisticTerm", "Step", "Term", "Watcher",
    "generator",
]  # fmt: skip
