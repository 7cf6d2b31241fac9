"""Trainings that are stopped, resumed, spoilt and finished."""

import json
import os
import resource
import signal
from dataclasses import replace
from functools import partial

import pytest
import torch

from clarion.base.condition import ClassEntry, Condition
from clarion.base.errors import CheckpointError, ClarionError, DataError
from clarion.run.files import read_tensors
from clarion.run.folder import checkpoints
from clarion.run.serialize import from_json
from clarion.train.checkpoint import TrainState, latest_checkpoint


def silent(report):
    pass


def finish(trainer, stop_after=None):
    trainer.train(silent, stop_after)
    return trainer


@pytest.mark.parametrize("stops", [(3,), (2, 5), (1, 1, 6)])
@pytest.mark.parametrize("matrices", ["adamw", "muon"])
def test_a_resumed_training_is_the_unbroken_one_bit_for_bit(make_trainer, same, stops, matrices):
    """With dropout, hidden conditions, attention and weights that lie channels last in memory."""
    optimizer = replace(make_trainer("x").config.optimizer, matrices=matrices)
    make_trainer = partial(make_trainer, optimizer=optimizer)
    unbroken = finish(make_trainer("unbroken"))
    for stop in stops:
        part = make_trainer("broken")
        if checkpoints(part.run):
            part.resume(latest_checkpoint(part.run))
        finish(part, stop)
    resumed = make_trainer("broken")
    resumed.resume(latest_checkpoint(resumed.run))
    assert resumed.train(silent)
    assert resumed.step == 7
    same(unbroken, resumed)


def test_dropout_and_hidden_conditions_take_part_in_that(make_trainer):
    """The test above would pass vacuously if they had no effect on the weights."""
    base = finish(make_trainer("base")).network.state_dict()
    settings = {"network": replace(make_trainer("x").config.network, dropout=0.0)}
    for name, other in (("a", settings), ("b", {"condition_dropout": 0.9})):
        weights = finish(make_trainer(name, **other)).network.state_dict()
        assert not all(torch.equal(weights[key], base[key]) for key in base)


def test_validation_and_reports_leave_the_training_as_it_is(make_trainer, same):
    """A held-out part changes the data; a validation set of its own changes nothing."""
    from_the_same = {"examples": (b := make_trainer("x").examples), "validation": b}
    plain = finish(make_trainer("plain"))
    watched = finish(make_trainer("watched", **from_the_same, validate_every=2, report_every=1))
    same(plain, watched)


def test_the_validation_loss_is_the_same_in_equal_runs_and_after_a_resume(make_trainer):
    logs = []
    for name in ("a", "b"):
        log, trainer = [], make_trainer(name, validate_every=3)
        trainer.train(log.append, 4 if name == "b" else None)
        if name == "b":
            trainer = make_trainer("b", validate_every=3)
            trainer.resume(latest_checkpoint(trainer.run))
            trainer.train(log.append)
        logs.append({r["step"]: r["validation"] for r in log if "validation" in r})
    assert sorted(logs[0]) == [3, 6, 7]
    assert {step: logs[1][step] for step in logs[0]} == logs[0]
    assert trainer.validate() == trainer.validate()


def test_training_learns_what_an_untrained_model_cannot_know(make_trainer):
    """A network that says nothing is the best denoiser of data N(0, 1): its loss is 1 everywhere.

    At the noisiest level a guess can rest on the label alone, which here tells the data but for a
    ripple of variance 0.005. The bounds leave room for a short training.
    """
    trainer = make_trainer("run", num_steps=80, validate_every=80, condition_dropout=0.0)
    log, untrained = [], trainer.validate()["validation"]
    trainer.train(log.append)
    trained = log[-1]["validation"]
    noisiest = list(trained)[-2]
    assert untrained[noisiest] == pytest.approx(1, abs=0.1)
    assert trained[noisiest] < 0.5
    assert trained["mean"] < 0.8


def test_a_model_without_conditions(make_trainer, blobs, same):
    examples = blobs(condition_spec={})
    assert make_trainer("x").config.of_examples(examples, make_trainer("y").codec).condition == {}
    unbroken = finish(make_trainer("a", examples, validate_every=3))
    finish(make_trainer("b", examples, validate_every=3), 4)
    resumed = make_trainer("b", examples, validate_every=3)
    resumed.resume(latest_checkpoint(resumed.run))
    same(unbroken, finish(resumed))


def test_groups_are_held_out_as_a_whole(make_trainer, blobs):
    """The first is more than a tenth of all; of another one four are validated on."""

    class Grouped(blobs):
        groups = torch.tensor([0] * 50 + [1] * 5 + [2] * 5 + [3] * 4)

    trainer = make_trainer("run", Grouped(), validate_every=3, validation_examples=4)
    trained = set(trainer.order.take(0, len(trainer.order)).tolist())
    left = set(range(64)) - trained
    assert left in ({*range(50, 55)}, {*range(55, 60)}, {*range(60, 64)})
    assert trainer._beginning()["validation_examples"] == 4


def test_a_step_learns_from_augmented_examples_and_validation_does_not(make_trainer, blobs, same):
    class Negated(blobs):
        def batch(self, indices):
            data, condition = super().batch(indices)
            return -data, condition

    class Augmented(blobs):
        def training_batch(self, indices):
            return Negated().batch(indices)

    settings = {"validate_every": 7, "validation": blobs()}
    augmented = finish(make_trainer("augmented", examples=Augmented(), **settings))
    plain = finish(make_trainer("plain", **settings))
    itself = finish(make_trainer("negated", examples=Negated(), **settings))
    same(augmented, itself)
    assert augmented.validate() == itself.validate() != plain.validate()


def test_each_condition_has_a_dropout_of_its_own(make_trainer, blobs):
    """A condition that is hidden always teaches nothing: its embedding has no gradient."""
    spec = {"label": ClassEntry(2), "other": ClassEntry(2)}
    trainer = make_trainer("run", condition_dropouts={"label": 1.0})
    config = trainer.config.of_examples(blobs(condition_spec=spec), trainer.codec)
    assert {name: e.dropout for name, e in config.condition.items()} == {"label": 1.0, "other": 0.1}
    for _ in range(3):  # in the first one all blocks are the identity
        trainer._train_step()
    embed = trainer.network.embed_condition
    assert not embed.embed["label"].weight.grad.any()
    assert embed.absent["label"].grad.any()
    with pytest.raises(ClarionError, match=r"condition_dropouts.*Did you mean 'label'"):
        make_trainer("other", condition_dropouts={"lable": 0.5})


def test_automatic_precision_is_measured_once_and_kept(make_trainer):
    log, trainer = [], make_trainer("run", precision="auto")
    trainer.train(log.append, 2)
    chosen = [r["precision"] for r in log if "precision" in r]
    assert chosen in (["float32"], ["bfloat16"])
    state = json.loads((latest_checkpoint(trainer.run) / "state.json").read_text())
    assert state["precision"] == chosen[0]
    other = "bfloat16" if chosen == ["float32"] else "float32"
    state["precision"] = other
    (latest_checkpoint(trainer.run) / "state.json").write_text(json.dumps(state))
    resumed, log = make_trainer("run", precision="auto"), []
    resumed.resume(latest_checkpoint(resumed.run))
    resumed.train(log.append, 3)
    assert resumed.precision == other
    assert not [r for r in log if "precision" in r]


def test_measuring_the_precision_leaves_no_trace(make_trainer, same):
    plain, measured = make_trainer("a"), make_trainer("b", precision="auto")
    finish(plain, 2)
    measured._choose_precision(silent)
    measured.precision = "float32"
    same(plain, finish(measured, 2))


def test_reports(make_trainer):
    log, trainer = [], make_trainer("run", report_every=3, validate_every=2, num_steps=4)
    trainer.train(log.append)
    assert log[0] == {
        "step": 0,
        "weights": sum(p.numel() for p in trainer.network.parameters()),
        "training_examples": len(trainer.order),
        "validation_examples": len(trainer.examples) - len(trainer.order),
        "device": "cpu",
    }
    assert [(r["step"], "validation" in r) for r in log[1:]] == [
        (2, True),
        (3, False),
        (4, False),
        (4, True),
    ]
    first, last = (r for r in log if "loss" in r)
    assert first["examples_per_s"] > 0
    assert first["seconds_left"] == pytest.approx(1 * 8 / first["examples_per_s"])
    assert last["seconds_left"] == 0
    assert first["learning_rate"] == pytest.approx(3e-3 * (4 - 3) / 2)


def test_a_report_is_the_mean_over_all_steps_since_the_last_one(make_trainer):
    each, both = [], []
    make_trainer("a", report_every=1, num_steps=4).train(each.append)
    make_trainer(
        "b",
        report_every=4,
        validate_every=3,
        checkpoint_every=2,
        num_steps=4,
        validation=make_trainer("x").examples,
    ).train(both.append)
    expected = sum(r["loss"] for r in each if "loss" in r) / 4
    assert next(r["loss"] for r in both if "loss" in r) == pytest.approx(expected, rel=1e-6)


class Spoiled:
    """Examples of which some are not finite."""

    def __init__(self, inner, bad_from):
        self.inner, self.bad_from, self.reads = inner, bad_from, 0
        self.shape, self.condition_spec = inner.shape, inner.condition_spec

    def __len__(self):
        return len(self.inner)

    def to(self, device):
        return self

    def batch(self, indices):
        data, values = self.inner.batch(indices)
        self.reads += 1
        return (data * float("nan") if self.reads >= self.bad_from else data), values

    def training_batch(self, indices):
        return self.batch(indices)


@pytest.mark.parametrize("report_every", [2, 100])
def test_weights_that_are_not_finite_never_reach_a_checkpoint(make_trainer, blobs, report_every):
    """Whether or not a report falls between the fault and the next checkpoint."""
    trainer = make_trainer(
        "run", Spoiled(blobs(), bad_from=4), report_every=report_every, checkpoint_every=3
    )
    message = r"at step \d\. .*learning_rate.*last checkpoint"
    with pytest.raises(ClarionError, match=message) as info:
        trainer.train(silent)
    assert "\n" not in str(info.value)
    assert [f.name for f in checkpoints(trainer.run)] == ["00000003"]
    assert all(v.isfinite().all() for v in read_tensors(trainer.run / "model.safetensors").values())
    resumed = make_trainer("run", blobs())
    resumed.resume(latest_checkpoint(resumed.run))
    assert resumed.train(silent)


def test_older_checkpoints_are_thinned_but_their_averages_stay(make_trainer):
    trainer = finish(make_trainer("run", checkpoint_every=2, keep_checkpoints=2))
    whole = {"model.safetensors", "ema.safetensors", "optimizer.safetensors", "state.json"}
    content = {f.name: {p.name for p in f.iterdir()} for f in checkpoints(trainer.run)}
    assert content == {
        "00000002": {"ema.safetensors", "state.json"},
        "00000004": {"ema.safetensors", "state.json"},
        "00000006": whole,
        "00000007": whole,
    }
    assert latest_checkpoint(trainer.run).name == "00000007"


def test_what_a_kill_while_saving_leaves_is_ignored_and_removed(make_trainer, same):
    unbroken = finish(make_trainer("unbroken"))
    trainer = finish(make_trainer("run"), 3)
    for name in ("00000007", "00000005"):
        left = trainer.run / "steps" / f".{name}.partial"
        left.mkdir()
        (left / "model.safetensors").write_bytes(b"half of it")
    resumed = make_trainer("run")
    assert latest_checkpoint(trainer.run).name == "00000003"
    resumed.resume(latest_checkpoint(trainer.run))
    same(unbroken, finish(resumed))
    names = sorted(p.name for p in (trainer.run / "steps").iterdir())
    assert names == ["00000003", "00000007"]


def test_a_disk_that_takes_no_more_leaves_the_last_checkpoint(make_trainer):
    """A real failure, half-way through a file: EFBIG, as a full disk gives ENOSPC."""
    trainer = finish(make_trainer("run"), 3)
    before = {p: p.read_bytes() for p in trainer.run.rglob("*") if p.is_file()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(CheckpointError, match="00000005: File too large") as info:
            trainer.train(silent, 5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(info.value)
    assert {p: p.read_bytes() for p in trainer.run.rglob("*") if p.is_file()} == before


def test_stop_after(make_trainer):
    trainer = finish(make_trainer("run"), 4)
    files = {p: p.stat().st_mtime_ns for p in trainer.run.rglob("*")}
    assert trainer.step == 4
    assert trainer.train(silent, 2) is False  # it is past that already: nothing happens
    assert trainer.train(silent, 4) is False
    assert {p: p.stat().st_mtime_ns for p in trainer.run.rglob("*")} == files
    with pytest.raises(ClarionError, match="stop_after must be at least 1, got 0"):
        trainer.train(silent, 0)
    assert trainer.train(silent, 700) is True
    assert trainer.step == 7


def test_ctrl_c_saves_the_step_that_was_reached(make_trainer, same):
    unbroken, trainer = finish(make_trainer("unbroken")), make_trainer("run", report_every=1)

    def interrupt(report):
        if report["step"] == 3:
            os.kill(os.getpid(), signal.SIGINT)

    assert trainer.train(interrupt) is False
    assert trainer.step == 3
    assert latest_checkpoint(trainer.run).name == "00000003"
    resumed = make_trainer("run")
    resumed.resume(latest_checkpoint(resumed.run))
    same(unbroken, finish(resumed))


def damage(name, change):
    def apply(folder):
        path = folder / name
        path.write_bytes(change(path.read_bytes()))

    return apply


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda f: (f / "state.json").unlink(), r"state\.json is missing"),
        (damage("state.json", lambda _: b"{}"), r"state\.json lacks 'ema_widths', 'num_ex"),
        (damage("state.json", lambda _: b"[1]"), r"state\.json must hold named values"),
        (damage("state.json", lambda c: c.replace(b"float32", b"float8")), "Unknown precision"),
        (damage("state.json", lambda c: c.replace(b'"step": 3', b'"step": "3"')), r"\.step must"),
        (damage("model.safetensors", lambda c: c[:-10]), r"model\.safetensors is truncated"),
        (damage("ema.safetensors", lambda _: b""), r"ema\.safetensors is truncated"),
        (damage("optimizer.safetensors", lambda c: c[:99]), r"optimizer\.safetensors is trunc"),
        (
            lambda f: (f / "optimizer.safetensors").write_bytes(
                (f / "model.safetensors").read_bytes()
            ),
            r"optimizer\.safetensors lacks 0\.step",
        ),
    ],
)
def test_a_damaged_checkpoint_is_refused_by_name(make_trainer, break_it, message):
    trainer = finish(make_trainer("run"), 3)
    break_it(latest_checkpoint(trainer.run))
    fresh = make_trainer("run")
    with pytest.raises(CheckpointError, match=message):
        fresh.resume(latest_checkpoint(fresh.run))


def test_the_state_of_a_checkpoint_reads_back():
    state = TrainState(7, "bfloat16", (0.05, 0.1), 12)
    content = {
        "step": 7,
        "precision": "bfloat16",
        "ema_widths": [0.05, 0.1],
        "num_examples": 12,
    }
    assert from_json(TrainState, content, "state.json") == state


def test_a_run_without_checkpoints_starts_over_but_never_one_that_lost_them(make_trainer):
    run = make_trainer("run").run
    assert latest_checkpoint(run) is None
    (run / "steps" / "00000003").mkdir(parents=True)
    with pytest.raises(CheckpointError, match="holds no complete checkpoint to resume from"):
        latest_checkpoint(run)


def test_other_folders_beside_checkpoints_are_no_checkpoints(make_trainer):
    trainer = finish(make_trainer("run"), 3)
    for name in ("00000009 (copy)", "0x10", "100000000"):
        (trainer.run / "steps" / name).mkdir()
    assert [f.name for f in checkpoints(trainer.run)] == ["00000003", "100000000"]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"shape": (1, 4, 4)}, r"have shape \(1, 4, 4\), those to train on \(1, 8, 8\)"),
        (
            {"condition_spec": {"label": ClassEntry(2, ("light", "dark"))}},
            "have another condition 'label' than those to train on: .*'light', 'dark'",
        ),
        ({"condition_spec": {}}, "have the conditions none, those to train on label"),
    ],
)
def test_validation_examples_of_another_kind_are_refused(make_trainer, blobs, other, message):
    with pytest.raises(DataError, match=f"validation examples {message}"):
        make_trainer("run", validation=blobs(**other))


class Hidden(Spoiled):
    """Blobs whose labels are absent where `is_hidden` says so; there the values are arbitrary."""

    def __init__(self, inner, is_hidden, value):
        super().__init__(inner, bad_from=10**9)
        self.is_hidden, self.value = is_hidden, value

    def batch(self, indices):
        data, condition = self.inner.batch(indices)
        hidden = self.is_hidden(indices)
        labels = torch.where(hidden, self.value, condition.values["label"])
        return data, Condition({"label": labels}, {"label": ~hidden})


@pytest.mark.parametrize("is_hidden", [lambda i: i >= 0, lambda i: i % 3 == 0], ids=["all", "some"])
def test_nothing_is_learnt_from_values_that_are_absent(make_trainer, blobs, same, is_hidden):
    """Whatever stands where a label is absent: the same losses, validations and weights."""
    trained, reports = [], []
    for value in (0, 1):
        trainer = make_trainer(
            f"run{value}", Hidden(blobs(), is_hidden, value), report_every=1, validate_every=3
        )
        said = []
        trainer.train(said.append)
        trained.append(trainer)
        reports.append([{k: r.get(k) for k in ("step", "loss", "validation")} for r in said])
    same(*trained)
    assert reports[0] == reports[1]
    weights = {n: p for n, p in trained[0].network.named_parameters() if "embed.label" in n}
    start = make_trainer("start").network.state_dict()
    moved = any(not torch.equal(weight, start[name]) for name, weight in weights.items())
    assert moved == (not is_hidden(torch.arange(64)).all())


def test_too_few_examples(make_trainer, blobs):
    with pytest.raises(DataError, match="at least 2 examples, got 1"):
        make_trainer("run", blobs(count=1))


@pytest.mark.parametrize(
    ("settings", "count"), [({"validate_every": 0}, 64), ({"validate_every": 1}, 9)]
)
def test_without_validation_examples(make_trainer, blobs, settings, count):
    """None asked for, or too few examples to spare a tenth."""
    trainer = make_trainer("run", blobs(count=count), **settings, num_steps=2)
    log = []
    assert trainer.train(log.append)
    assert not [r for r in log if "validation" in r]
    with pytest.raises(ClarionError, match="no validation examples"):
        trainer.validate()
