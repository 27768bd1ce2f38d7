"""The commands."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sparsight import __version__

app = typer.Typer(
    name="sparsight",
    help="Sparse autoencoders you can see through: train one on anything, look at what it learned.",
    epilog="Start with [bold]sparsight train digits[/bold], and then [bold]sparsight show runs/strokes[/bold].",
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
console = Console(highlight=False)
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, and nothing else.")]
Plugins = Annotated[list[Path] | None, typer.Option("--plugin", help="A Python file that registers parts of your own.")]


def _recipe_names() -> list[str]:
    """What the shell offers after --recipe."""
    from sparsight import recipes

    return recipes.names()


def _version(asked: bool) -> None:
    if asked:
        console.print(__version__)
        raise typer.Exit


@app.callback()
def _everywhere(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


@app.command()
def train(
    data: Annotated[
        str | None,
        typer.Argument(
            help="What to train on: digits (they ship with sparsight), data that `sparsight data get` fetched, a file "
            "(.npy, .npz, .safetensors, .csv, .parquet, .h5ad, MNIST's idx), a folder of pictures or of shards, or a "
            "run, whose codes are taken. It may be left out where the recipe names a source."
        ),
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Argument(help="Changes to the recipe, such as n_latents=400 train.epochs=10.")
    ] = None,
    recipe: Annotated[
        str,
        typer.Option("--recipe", "-r", help="A recipe's name, or a TOML file.", autocompletion=_recipe_names),
    ] = "strokes",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The run's folder. By default runs/RECIPE, or runs/RECIPE-2 and so on."),
    ] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with this run, as it is.")] = None,
    device: Annotated[str, typer.Option(help="auto (CUDA where there is one), cpu, cuda, cuda:1 or mps.")] = "auto",
    plugin: Plugins = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a sparse autoencoder and show what it learned.

    For example: [bold]sparsight train digits[/bold], or
    [bold]sparsight train photos/ -r strokes n_latents=400 seed=1[/bold]

    A recipe says how to train ([bold]sparsight recipes[/bold] lists them); changes are
    made to its keys. Ctrl-C stops with a checkpoint, and --resume goes on.
    """
    from sparsight.cli import training

    training.train(
        data,
        changes or [],
        recipe=recipe,
        out=out,
        resume=resume,
        device=device,
        plugins=plugin or [],
        as_json=as_json,
        console=Console(stderr=as_json, quiet=quiet, highlight=False),
    )


@app.command()
def stack(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="The folders of two runs or more, each trained on the codes of the one before; and changes to the "
            "recipe, such as train.epochs=10."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The run's folder. By default runs/stack, or runs/stack-2.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto (CUDA where there is one), cpu, cuda, cuda:1 or mps.")] = "auto",
    plugin: Plugins = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make one autoencoder of runs on each other's codes, and train the whole.

    For example: [bold]sparsight train digits -o runs/first[/bold], then
    [bold]sparsight train runs/first n_latents=64 -o runs/second[/bold], then
    [bold]sparsight stack runs/first runs/second[/bold]

    Data and training are those of the first run; changes are made to its recipe.
    [bold]sparsight train --resume[/bold] goes on with a stack as with any run.
    """
    from sparsight.cli import training

    training.stack(
        runs,
        out=out,
        device=device,
        plugins=plugin or [],
        as_json=as_json,
        console=Console(stderr=as_json, quiet=quiet, highlight=False),
    )


@app.command()
def sweep(
    recipe: Annotated[str, typer.Argument(help="A recipe's name, or a TOML file.", autocompletion=_recipe_names)],
    changes: Annotated[
        list[str] | None,
        typer.Argument(
            help="Values by key: architecture.k=8,16,32, seed=0..3 (integers), train.lr=1e-4..1e-1:4 (four values in a "
            "fixed ratio); one value alone is for all models."
        ),
    ] = None,
    data: Annotated[str | None, typer.Option("--data", help="What to train on, as in `sparsight train`.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The sweep's folder. By default sweeps/RECIPE, or RECIPE-2.")
    ] = None,
    search: Annotated[
        int | None,
        typer.Option(min=1, help="Try so many models that Optuna chooses; train.lr=1e-4..1e-1 is all between."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto (CUDA where there is one), cpu, cuda, cuda:1 or mps.")] = "auto",
    plugin: Plugins = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no table.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train many models over one pass of the data, and show what they pay for what they explain.

    For example: [bold]sparsight sweep strokes architecture.k=8,16,32 seed=0..3 --data digits[/bold]

    All combinations are trained; each is a run in the sweep's folder. Ctrl-C stops
    with checkpoints, and the same command goes on.
    """
    from sparsight.cli import sweeping

    sweeping.sweep(
        recipe,
        changes or [],
        data=data,
        out=out,
        search=search,
        device=device,
        plugins=plugin or [],
        as_json=as_json,
        console=Console(stderr=as_json, quiet=quiet, highlight=False),
    )


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    data: Annotated[str | None, typer.Option(help="The data, if they were given in memory.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file; by default report.html in the run.")
    ] = None,
    export: Annotated[Path | None, typer.Option(help="Also write every picture and table into this folder.")] = None,
) -> None:
    """Write one HTML page about a run that opens offline: features, samples, curves, measures.

    For example: [bold]sparsight report runs/strokes --export pictures/[/bold]
    """
    from sparsight.cli import reporting
    from sparsight.run import Run

    reporting.make(Run.open(run), data, out, export, console)


@app.command()
def explore(
    runs: Annotated[
        list[Path] | None, typer.Argument(help="Runs, or folders that hold some; by default, those in runs.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="The data, if they were given in memory.")] = None,
    host: Annotated[str, typer.Option(help="Where it listens; beyond this machine it needs its token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: one that is free.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
    plugin: Plugins = None,
) -> None:
    """Open a local page that shows every feature of your runs, and lets you play with them.

    For example: [bold]sparsight explore[/bold], or [bold]sparsight explore runs/strokes --no-browser[/bold]

    Ctrl-C ends it. What you write about features is kept in the run's folder.
    """
    from sparsight.cli import exploring

    exploring.explore(
        runs or [], data=data, host=host, port=port, browser=browser, plugins=plugin or [], console=console
    )


@app.command()
def convert(
    model: Annotated[
        Path,
        typer.Argument(help="A run, a model.safetensors, or the folder of SAELens, sparsify or dictionary_learning."),
    ],
    out: Annotated[Path, typer.Argument(help="The folder to write, which must be new.")],
    to: Annotated[str, typer.Option(help="saelens, sparsify or sparsight.")] = "sparsight",
    data: Annotated[str | None, typer.Option(help="Samples to try it on first, as in `sparsight train`.")] = None,
) -> None:
    """Bring a model from another system here, or from here to another.

    For example: [bold]sparsight convert runs/sae exported --to saelens --data digits[/bold]

    Codes and reconstructions stay the same; preprocessing is folded into the
    weights. With --data the model is tried first, and refused where it is worse
    than the mean of the data.
    """
    from sparsight.cli import converting

    converting.convert(model, out, to=to, data=data, console=console)


@app.command()
def diagnose(
    model: Annotated[
        Path | None,
        typer.Argument(
            help="A run, weights (.npz, .npy, .safetensors, .pt), or the folder of SAELens, sparsify or "
            "dictionary_learning."
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Samples that the model was trained on, as in `sparsight train`. A run knows its own."),
    ] = None,
    held_out: Annotated[str | None, typer.Option(help="Samples that it was not trained on.")] = None,
    again: Annotated[Path | None, typer.Option(help="The same model, trained with another seed.")] = None,
    objective: Annotated[
        str | None,
        typer.Option(help="In place of a model, a loss or a step of your own: file.py:function. It is executed."),
    ] = None,
    shape: Annotated[str | None, typer.Option(help="Of a sample that is a picture: 28x28, or 32x32x3.")] = None,
    activation: Annotated[str | None, typer.Option(help="Of weights: sigmoid, relu, topk(25) and so on.")] = None,
    output: Annotated[str | None, typer.Option(help="Of weights: identity, sigmoid or softmax.")] = None,
    target: Annotated[float | None, typer.Option(help="The mean activity that a penalty was to hold.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Of the training.")] = None,
    noise: Annotated[float | None, typer.Option(help="The deviation of noise on the inputs.")] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Write the mended recipe into the run's folder.")] = False,
    train: Annotated[bool, typer.Option("--train", help="With --fix: train it, and show before and after.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The mended run's folder.")] = None,
    plugin: Plugins = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where anything is found.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with a model or an objective, why, and how to mend it.

    For example: [bold]sparsight diagnose runs/question --fix --train[/bold], or
    [bold]sparsight diagnose weights.npz --data x.npy --shape 28x28[/bold], or
    [bold]sparsight diagnose --objective mine.py:loss[/bold]

    Causes are named before their effects, red before amber. Each finding has
    its numbers, where it begins, what chance gives, and what to change.
    """
    from sparsight import spec
    from sparsight.cli import diagnosing, objecting
    from sparsight.errors import SparsightError

    screen = Console(stderr=as_json, highlight=False)
    for each in plugin or []:
        spec.load_plugin(each)
    if (model is None) == (objective is None):
        raise SparsightError("give either a model, such as runs/strokes, or --objective file.py:function")
    if objective is not None:
        objecting.diagnose_objective(objective, as_json=as_json, strict=strict, console=screen)
        return
    assert model is not None
    told = {"target": target, "batch_size": batch_size, "noise": noise, "activation": activation, "output": output}
    diagnosing.diagnosed(
        model,
        data=data,
        held_out=held_out,
        again=again,
        told={**told, "shape": diagnosing.parsed_shape(shape)},
        fix=fix or train,
        train=train,
        out=out,
        as_json=as_json,
        strict=strict,
        console=screen,
    )


@app.command()
def recipes(
    name: Annotated[
        str | None, typer.Argument(help="Explain this one, and print it.", autocompletion=_recipe_names)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the recipes, or explain one."""
    from sparsight.cli import shelf

    shelf.show(name, as_json=as_json, console=console)


@app.command()
def show(
    run: Annotated[Path, typer.Argument(help="The folder of a run, such as runs/strokes.")],
    as_json: AsJson = False,
) -> None:
    """Say what a run is and what it found.

    Data, recipe and changes, how it ended, figures beside their nulls, and
    where the pictures lie. A run that has not ended is shown up to its last
    log line.
    """
    from sparsight.cli import showing

    showing.show(run, as_json=as_json, console=console)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="The folders of runs that were trained on the same data.")],
    baselines: Annotated[bool, typer.Option(help="Fit PCA, ICA, NMF, k-means and others, too; about a minute.")] = True,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Put runs beside each other and beside PCA and the like.

    Baselines have as many features as the first run, and its L0. Rows marked
    (null) have learned nothing. All are measured on the same held-out
    samples, in the units of the data.
    """
    from sparsight.cli import comparing

    comparing.compare(
        runs,
        baselines=baselines,
        plugins=plugin or [],
        as_json=as_json,
        console=Console(stderr=as_json, highlight=False),
    )


@app.command()
def harvest(
    model: Annotated[
        str,
        typer.Argument(
            help="The folder or name of a model of transformers, a .gguf file, or file.py:function for a module of "
            "your own."
        ),
    ],
    changes: Annotated[
        list[str] | None,
        typer.Argument(help="How texts or pictures go in, such as context=256 tokens=1000000 arrange=pack."),
    ] = None,
    at: Annotated[
        list[str] | None, typer.Option(help="A layer, such as encoder.layer.3; several by giving it again.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="A file or a folder of texts.")] = None,
    data: Annotated[str | None, typer.Option(help="Pictures or other samples, as in `sparsight train`.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of the shards.")] = Path("shards"),
    dtype: Annotated[str, typer.Option(help="float16, bfloat16 or float32, as they are stored.")] = "float16",
    share: Annotated[
        str, typer.Option(help="This process's part of the work: 0/4 is the first of four, which all write to --out.")
    ] = "0/1",
    device: Annotated[str, typer.Option(help="auto (CUDA where there is one), cpu, cuda, cuda:1 or mps.")] = "auto",
    plugin: Plugins = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a model over texts or pictures and store what its layers give, to train on.

    For example: [bold]sparsight harvest MODEL --at encoder.layer.3 --text corpus.txt -o shards[/bold],
    then [bold]sparsight train shards -r embeddings[/bold]

    Each token, or place in a picture, is a sample, and knows where it came from. A
    harvest that was stopped goes on when the same command is given again.
    """
    from sparsight.cli import harvesting

    harvesting.harvest(
        model,
        changes or [],
        at=at or [],
        text=text,
        data=data,
        out=out,
        dtype=dtype,
        share=share,
        device=device,
        plugins=plugin or [],
        as_json=as_json,
        console=Console(stderr=as_json, quiet=quiet, highlight=False),
    )


@app.command()
def splice(
    run: Annotated[Path, typer.Argument(help="The folder of a run on the activations of a model.")],
    model: Annotated[str | None, typer.Option(help="Where the model is now, or another one.")] = None,
    at: Annotated[list[str] | None, typer.Option(help="Another layer than the run was trained on.")] = None,
    text: Annotated[str | None, typer.Option(help="Where the texts are now, or others, which are taken whole.")] = None,
    tokens: Annotated[
        int, typer.Option(min=1, help="Samples that are replaced, at most; the model runs seven times on each.")
    ] = 20_000,
    device: Annotated[str, typer.Option(help="auto (CUDA where there is one), cpu, cuda, cuda:1 or mps.")] = "auto",
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Put a run's reconstructions back into the model that its data come from, and say what the model still does.

    For example: [bold]sparsight splice runs/llm[/bold]

    Measured on the documents or pictures that the run held out, beside the mean
    and zeros in their place. For models that predict the next token, also which
    tokens every feature raises and lowers. Kept in the run's folder, and shown
    by report and explorer.
    """
    from sparsight.cli import splicing

    splicing.splice(
        run,
        model=model,
        at=at or [],
        text=text,
        tokens=tokens,
        device=device,
        plugins=plugin or [],
        as_json=as_json,
        console=Console(stderr=as_json, highlight=False),
    )


@app.command()
def verify(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    claims: Annotated[
        str | None, typer.Option(help="Test these alone, such as use,causality; by default, all.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="The data, if they were given in memory.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with code 1 where a claim does not hold.")] = False,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Test whether what a run found is real.

    Retrained from other starts and on data that hold nothing, beside baselines,
    with known features planted in its data. Each claim is one sentence with its
    interval and its null. What was done is kept in the run's folder: Ctrl-C
    stops, and the same command goes on.
    """
    from sparsight.cli import verifying

    holds = verifying.verify(
        run,
        claims=claims,
        data=data,
        strict=strict,
        plugins=plugin or [],
        as_json=as_json,
        console=Console(stderr=as_json, highlight=False),
    )
    if not holds:
        raise typer.Exit(1)


fetched = typer.Typer(help="Fetch data sets, list those there are, and check shards.", rich_markup_mode="rich")
app.add_typer(fetched, name="data")


def _data_names() -> list[str]:
    """What the shell offers after `data get`."""
    from sparsight import downloads

    return downloads.names()


@fetched.command()
def get(
    name: Annotated[str, typer.Argument(help="Which, such as mnist.", autocompletion=_data_names)],
) -> None:
    """Fetch a data set and check it; sparsight train NAME opens it then.

    For example: [bold]sparsight data get mnist[/bold]

    It is kept in a folder of your platform for such files, or in SPARSIGHT_DATA.
    """
    from sparsight.cli import fetching

    fetching.get(name, console=console)


@fetched.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the data sets that can be fetched, and which are here."""
    from sparsight.cli import fetching

    fetching.show(as_json=as_json, console=console)


@fetched.command()
def check(
    folder: Annotated[Path, typer.Argument(help="A folder of shards, such as `sparsight harvest` writes.")],
    as_json: AsJson = False,
) -> None:
    """Compare every file of a folder of shards with its checksum, and say what is in it.

    For example: [bold]sparsight data check shards[/bold]

    A file that is missing, cut off or damaged is named.
    """
    from sparsight.cli import checking

    checking.check(folder, as_json=as_json, console=Console(stderr=as_json, highlight=False))
