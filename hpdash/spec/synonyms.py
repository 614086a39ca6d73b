"""Names that users know from Keras, PyTorch and other tuners, and what hpdash calls the same thing."""

from __future__ import annotations

from collections.abc import Mapping

# Keys of hpdash that have other names elsewhere: each with its table, and the other names
_MEANINGS: Mapping[str, tuple[str, ...]] = {
    "[train] learning_rate": ("lr", "learningrate", "eta", "step_size", "init_lr", "initial_learning_rate"),
    "[train] schedule": ("lr_schedule", "lr_scheduler", "scheduler", "learning_rate_schedule", "reduce_lr_on_plateau"),
    "[train] patience": ("early_stopping", "early_stop", "earlystopping", "early_stopping_patience"),
    "[train] batch_size": ("batch", "bs", "batchsize", "mini_batch", "minibatch_size"),
    "[train] epochs": ("n_epochs", "num_epochs", "nb_epoch", "max_epochs"),
    "[train] optimizer": ("opt", "optim", "optimiser"),
    "[train] clipnorm": ("clip_norm", "grad_clip", "gradient_clip", "max_grad_norm", "clip_grad"),
    "[train] weight_decay": ("wd",),
    "[train] loss": ("loss_fn", "loss_function", "criterion"),
    "[train] metrics": ("metric",),
    "[train] xla": ("jit_compile",),
    "[data] name": ("dataset", "data_set", "data_path"),
    "[data] validation": (
        "validation_split",
        "val_split",
        "validation_size",
        "val_size",
        "validation_data",
        "test_size",
    ),
    "[data] scale": ("normalize", "normalise", "rescale", "standardize", "standardise", "scaling", "preprocessing"),
    "[model] builder": ("build_fn", "model_fn", "hypermodel", "build_model", "model"),
    "[model] hidden": ("layers", "hidden_layers", "hidden_units", "units", "hidden_sizes"),
    "[model] activation": ("act", "activation_function", "nonlinearity"),
    "[model] kernel_initializer": ("init", "initializer", "initialiser", "weight_init", "kernel_init"),
    "[model] bias_initializer": ("bias_init",),
    "[model] batchnorm": ("bn", "batch_norm", "use_bn", "batch_normalization", "batch_normalisation"),
    "[model] dropout": ("dropout_rate", "drop_rate", "drop", "p_dropout"),
    "[model] l2": ("reg", "regularizer", "regulariser", "kernel_regularizer", "l2_reg"),
    "[model] noise": ("noise_std", "gaussian_noise"),
    "[sweep] seed": ("random_state", "random_seed"),
    "[sweep] trials": ("n_trials", "max_trials", "num_trials", "num_samples", "n_iter", "max_evals", "budget"),
    "[sweep] repeats": ("executions_per_trial", "n_repeats", "replicates", "runs_per_trial"),
    "[sweep] objective": ("monitor", "target"),
    "[sweep] goal": ("direction", "mode"),
    "[sweep] strategy": ("method", "search", "tuner", "sampler", "algorithm"),
    "[prune] strategy": ("pruner",),
    "[log] histograms": ("histogram_freq",),
    "[log] checkpoint_epochs": ("save_freq",),
}
_SENTENCES: Mapping[str, str] = {
    "sample_weight": "Sample weights belong to the data: sample_weight in the .npz file, or in what the data function "
    "returns.",
    "shuffle": "hpdash shuffles the training part anew every epoch, by the trial's seed.",
    "verbose": "The live table shows progress; in a pipe, one line per trial is printed.",
    "steps_per_epoch": "An epoch is one pass over the training part. The key train in [data] makes that part smaller.",
    "gpus": "By default, one trial runs on each GPU. --workers sets how many trials run at once.",
    "workers": "Use --workers on the command line.",
    "logdir": "Use --logdir on the command line.",
    "log_dir": "Use --logdir on the command line.",
}
_BY_OTHER_NAME = {other: meaning for meaning, others in _MEANINGS.items() for other in others}


def synonym_hint(name: str) -> str:
    """Return a hint about a name that other tools use: what hpdash calls the same thing, or does instead.

    Return an empty text if this module does not list the name.
    """
    other = name.lower().replace("-", "_")
    if other in _SENTENCES:
        return _SENTENCES[other]
    if other not in _BY_OTHER_NAME:
        return ""
    table, key = _BY_OTHER_NAME[other].split()
    swept = "; to vary it, put it in [hparams]" if table in ("[data]", "[model]", "[train]") else ""
    return f"hpdash calls it {key}, in {table}{swept}."
