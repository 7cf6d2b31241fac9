"""Load, sample, save, publish."""

import json
import math
from types import SimpleNamespace

import pytest
import torch

import clarion
from clarion.base.condition import ClassEntry, VectorEntry
from clarion.base.errors import CheckpointError, ClarionError
from clarion.base.normalizer import Normalizer
from clarion.guide import CFG, Autoguidance, Clip
from clarion.process import Flow
from clarion.process.grids import Karras, Trailing
from clarion.run.files import read_tensors, write_tensors
from clarion.run.folder import CODEC_FILES
from clarion.run.model import Model
from clarion.sample.ancestral import DDIMSampler
from clarion.sample.heun import HeunSampler

STEPS = {"num_steps": 3, "seed": 5}
FILES = ["README.md", "config.json", "model.safetensors", "normalizer.json"]


@pytest.fixture
def model(make_model):
    return make_model()


@pytest.fixture
def saved(model, tmp_path):
    model.save(tmp_path / "model")
    return tmp_path / "model"


def test_a_saved_model_draws_the_same_samples_bit_for_bit(model, saved):
    again = clarion.load(saved)
    assert again.config == model.config
    assert again.codec == model.codec
    given = {"condition": {"label": "dog"}, "guidance": CFG(2.0), **STEPS}
    assert torch.equal(again.sample(4, **given), model.sample(4, **given))


def test_half_precision_on_disk_halves_the_weights_and_nothing_else(model, tmp_path):
    """Rounding to float16 is at most 2^-11 of each weight; what is fixed is not rounded at all."""
    model.save(tmp_path / "half", dtype=torch.float16)
    weights = model.denoiser.network.state_dict()
    stored = read_tensors(tmp_path / "half" / "model.safetensors")
    parameters = dict(model.denoiser.network.named_parameters())
    for name, value in weights.items():
        if name not in parameters:
            assert torch.equal(stored[name], value)
            continue
        assert stored[name].dtype == torch.float16
        torch.testing.assert_close(stored[name].float(), value, rtol=2**-11, atol=2**-24)
    half = Model.load(tmp_path / "half")
    assert {p.dtype for p in half.denoiser.parameters()} == {torch.float32}
    # Some 50 layers of relative errors 2^-11 add up to about one part in a hundred of data of
    # deviation 0.4.
    torch.testing.assert_close(half.sample(4, **STEPS), model.sample(4, **STEPS), rtol=0, atol=0.01)


def test_loading_leaves_the_random_state_alone(saved):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    Model.load(saved)
    assert torch.equal(torch.rand(2), expected)


def test_saving_again_replaces_the_model(make_model, saved):
    other = make_model(seed=1)
    other.save(saved)
    assert torch.equal(Model.load(saved).sample(2, **STEPS), other.sample(2, **STEPS))
    assert sorted(p.name for p in saved.iterdir()) == FILES
    assert sorted(p.name for p in saved.parent.iterdir()) == ["model"]


@pytest.mark.parametrize("extra", ["log.jsonl", "steps/00000010/state.json", "notes.txt"])
def test_saving_never_replaces_a_run_or_anything_else(model, saved, extra):
    (saved / extra).parent.mkdir(parents=True, exist_ok=True)
    (saved / extra).write_text("precious")
    with pytest.raises(CheckpointError, match="it is left as it is"):
        model.save(saved)
    assert (saved / extra).read_text() == "precious"


def test_saving_never_replaces_a_folder_that_is_no_model(model, tmp_path):
    (tmp_path / "letters").mkdir()
    with pytest.raises(CheckpointError, match="letters exists and is no saved model"):
        model.save(tmp_path / "letters")
    (tmp_path / "file").write_text("precious")
    with pytest.raises(CheckpointError, match="file exists and is no saved model"):
        model.save(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "precious"


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def edit_weights(path, change):
    weights = read_tensors(path)
    change(weights)
    write_tensors(path, weights)


def cut(path, length):
    path.write_bytes(path.read_bytes()[:length])


DAMAGES = {
    "weights missing": (lambda f: (f / "model.safetensors").unlink(), "is missing"),
    "weights empty": (lambda f: cut(f / "model.safetensors", 0), "is truncated or no safetens"),
    "weights cut in the header": (lambda f: cut(f / "model.safetensors", 50), "is truncated"),
    "weights cut at the end": (lambda f: cut(f / "model.safetensors", -1), "is truncated"),
    "weights of another format": (
        lambda f: (f / "model.safetensors").write_bytes(b"PK\x03\x04" + bytes(999)),
        "is truncated or no safetensors",
    ),
    "a key missing": (
        lambda f: edit_weights(f / "model.safetensors", lambda w: w.pop("enter.weight")),
        r"model\.safetensors lacks enter\.weight\.$",
    ),
    "many keys missing": (
        lambda f: write_tensors(f / "model.safetensors", {}),
        r"lacks \S+, \S+, \S+ and \d+ more\.$",
    ),
    "a key too many": (
        lambda f: edit_weights(
            f / "model.safetensors", lambda w: w.update({"enter.scale": torch.ones(1)})
        ),
        r"model\.safetensors has unknown enter\.scale\.$",
    ),
    "a shape of another size": (
        lambda f: edit_weights(
            f / "model.safetensors", lambda w: w.update({"enter.bias": torch.ones(3)})
        ),
        r"does not fit: enter\.bias has shape \(3,\), not \(8,\)\.$",
    ),
    "config missing": (lambda f: (f / "config.json").unlink(), r"config\.json is missing"),
    "config garbage": (
        lambda f: (f / "config.json").write_bytes(b"\xff\xfe{"),
        r"config\.json cannot be read",
    ),
    "config cut": (lambda f: cut(f / "config.json", 40), r"config\.json cannot be read"),
    "config a list": (lambda f: (f / "config.json").write_text("[]"), "must hold named values"),
    "config of another version": (
        lambda f: edit(f / "config.json", lambda c: c.update(schema_version=99)),
        r"has schema version 99; this package .* reads version 1",
    ),
    "config without version": (
        lambda f: edit(f / "config.json", lambda c: c.pop("schema_version")),
        "has schema version None",
    ),
    "config with more": (
        lambda f: edit(f / "config.json", lambda c: c.update(colour=1)),
        r"config\.json has unknown 'colour'",
    ),
    "config without model": (
        lambda f: edit(f / "config.json", lambda c: c.pop("model")),
        r"config\.json must hold one of model, classifier",
    ),
    "a size missing": (
        lambda f: edit(f / "config.json", lambda c: c["model"]["network"].pop("patch_size")),
        r"config\.json: model\.network lacks 'patch_size'",
    ),
    "an impossible shape": (
        lambda f: edit(f / "config.json", lambda c: c["model"].update(shape=[])),
        r"config\.json: model: shape must be",
    ),
    "an unknown prediction": (
        lambda f: edit(f / "config.json", lambda c: c["model"].update(prediction_type="nosie")),
        r"config\.json: model: Unknown prediction type 'nosie'\. Did you mean 'noise'",
    ),
    "normaliser missing": (lambda f: (f / "normalizer.json").unlink(), r"normalizer\.json is miss"),
    "normaliser refused": (
        lambda f: edit(f / "normalizer.json", lambda c: c.update(std=[0.0, 1.0])),
        r"normalizer\.json: std must be above 0",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_are_refused_by_name(saved, damage):
    break_it, message = DAMAGES[damage]
    break_it(saved)
    with pytest.raises(CheckpointError, match=message) as info:
        Model.load(saved)
    assert str(saved) in str(info.value)
    assert "\n" not in str(info.value)


def test_a_file_in_place_of_a_folder(tmp_path):
    (tmp_path / "model").write_text("")
    with pytest.raises(CheckpointError, match="is a file, and a folder is wanted"):
        Model.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"condition": {"lable": 1}}, "Unknown condition 'lable'. Did you mean 'label'"),
        ({"condition": {"label": "dgo"}}, "Did you mean 'dog'"),
        ({"condition": {"label": 3}}, r"'label' must be in 0\.\.2, got 3"),
        ({"condition": {"label": -1}}, r"'label' must be in 0\.\.2, got -1"),
        ({"condition": {"label": [0, 1, 2]}}, "3 values for 2 samples"),
        ({"condition": {"pose": [1.0, math.nan]}}, "must be finite"),
        ({"sampler": "huen"}, "Unknown sampler 'huen'. Did you mean 'heun'"),
        ({"grid": "karas"}, "Unknown grid 'karas'. Did you mean 'karras'"),
        ({"precision": "float61"}, "Unknown precision 'float61'"),
        ({"num_steps": 0}, "num_steps must be .* at least 1, got 0"),
        ({"num_steps": -1}, "num_steps must be .* at least 1, got -1"),
        ({"num_steps": 2.5}, "num_steps must be a whole number"),
        ({"n": 0}, "n must be a whole number, at least 1, got 0"),
        ({"n": None}, "Give either n or indices"),
        ({"indices": [1]}, "Give either n or indices"),
        ({"n": None, "indices": []}, "at least one sample"),
        ({"batch_size": 0}, "batch_size must be .* at least 1, got 0"),
        ({"guidance": CFG(2.0)}, "needs a condition .* Conditions of this model: label, pose"),
        ({"guidance": "cgf:3", "condition": {"label": 1}}, "Did you mean 'cfg'"),
        ({"sampler": "ddim:etta=1"}, "Did you mean 'eta'"),
        ({"grid": "karras:rho=0"}, "rho must be above 0"),
        ({"guidance": 3.0, "condition": {"label": 1}}, r"rules such as CFG\(3.0\), got 3.0"),
        ({"condition": 3}, r"condition must be name -> value, .*, got 3\."),
    ],
)
def test_settings_that_cannot_be_used(model, settings, message):
    with pytest.raises(ClarionError, match=message) as info:
        model.sample(**{"n": 2} | settings)
    assert "\n" not in str(info.value)


def test_a_model_without_conditions(make_model, tmp_path):
    model = make_model(condition={})
    model.save(tmp_path / "model")
    again = Model.load(tmp_path / "model")
    assert torch.equal(again.sample(2, **STEPS), model.sample(2, condition={}, **STEPS))
    with pytest.raises(ClarionError, match="Conditions of this model: none"):
        again.sample(2, guidance=CFG(2.0))
    with pytest.raises(ClarionError, match=r"Unknown condition 'label'\. Known: none"):
        again.sample(2, condition={"label": 1})


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "ddpm"])
def test_a_sample_depends_on_its_number_alone(model, sampler):
    """In batches of one size: bit for bit. In others a convolution adds in another order.

    That is a few times 1e-7 of the state, which starts at 80 deviations of 0.4: 1e-5 is left.
    """
    settings = {"sampler": sampler, "num_steps": 4, "seed": 2}
    labels = [0, 1, 2, 0, 1, 2]
    whole = model.sample(6, condition={"label": labels}, **settings)
    pairs = model.sample(6, condition={"label": labels}, batch_size=2, **settings)
    torch.testing.assert_close(pairs, whole, rtol=0, atol=1e-5)
    some = model.sample(indices=[4, 1], condition={"label": [1, 1]}, batch_size=2, **settings)
    torch.testing.assert_close(some, whole[[4, 1]], rtol=0, atol=1e-5)
    same_size = model.sample(
        indices=iter([2, 3, 4, 5]), condition={"label": labels[2:]}, batch_size=2, **settings
    )
    assert torch.equal(same_size, pairs[2:])
    other_seed = model.sample(6, condition={"label": labels}, **settings | {"seed": 3})
    assert (other_seed - whole).abs().amax(dim=(1, 2, 3)).min() > 0.01


def test_conditions_and_guidance_act(model):
    plain = model.sample(2, condition={"label": 1}, **STEPS)
    assert not torch.equal(plain, model.sample(2, condition={"label": 2}, **STEPS))
    assert not torch.equal(plain, model.sample(2, **STEPS))
    guided = model.sample(2, condition={"label": 1}, guidance=CFG(3.0), **STEPS)
    assert not torch.equal(plain, guided)
    by_name = model.sample(2, condition={"label": "dog"}, guidance=[CFG(3.0)], **STEPS)
    assert torch.equal(by_name, guided)
    unguided = model.sample(2, condition={"label": 1}, guidance=CFG(1.0), **STEPS)
    assert torch.equal(plain, unguided)
    nothing = model.sample(2, condition={"label": 1}, guidance=CFG(0.0), **STEPS)
    torch.testing.assert_close(nothing, model.sample(2, **STEPS), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"sampler": "euler", "num_steps": 4}, 3 * 4),
        ({"sampler": HeunSampler(), "grid": Trailing(), "num_steps": 4}, 3 * (2 * 4 - 1)),
        ({"sampler": "euler", "num_steps": 4, "guidance": CFG(2.0)}, 2 * 3 * 4),
        ({"sampler": "euler", "num_steps": 4, "guidance": CFG(1.0)}, 3 * 4),
        # On three of ten steps: 1.3 passes a step, not 2.
        (
            {
                "sampler": "euler",
                "num_steps": 10,
                "grid": "time_uniform",
                "guidance": CFG(2.0, t_low=0.4, t_high=0.7),
            },
            3 * 13,
        ),
        (
            {"sampler": "euler", "num_steps": 10, "grid": "time_uniform", "guidance": CFG(2.0)},
            3 * 20,
        ),
    ],
)
def test_each_evaluation_of_each_sample_is_counted(model, settings, expected):
    before = model.denoiser.num_evaluations
    model.sample(3, condition={"label": 0}, **settings)
    assert model.denoiser.num_evaluations - before == expected


@pytest.mark.parametrize(
    ("fields", "std", "message"),
    [
        ({}, (0.2, 0.401), r"the model's normaliser: it has Normalizer\(.*0\.401.* RUN@STEP"),
        (
            {"shape": (2, 4, 4)},
            None,
            r"the model's shape: it has \(2, 4, 4\), the model \(2, 8, 8\)",
        ),
        ({"condition": {"label": ClassEntry(3)}}, None, "condition 'label': it has .*'cat', 'dog'"),
        (
            {"condition": {"pose": VectorEntry(2, std=(2.0, 1.0))}},
            None,
            "condition 'pose': it has Vector",
        ),
        ({"condition": {"age": VectorEntry(1)}}, None, "condition 'age': .*, the model none"),
        ({"process": Flow()}, None, "weak model must have the model.s process"),
    ],
)
def test_a_weak_model_of_other_data_is_refused(make_model, tmp_path, fields, std, message):
    """The same numbers would be other pictures to it."""
    model, weak = make_model(), make_model(seed=1, **fields)
    if std is not None:
        weak = Model(weak.config, weak.denoiser, Normalizer((0.3, 0.5), std))
    weak.save(tmp_path / "weak")
    for rule in (f"auto:{tmp_path / 'weak'}:2", Autoguidance(2.0, weak.denoiser)):
        with pytest.raises(ClarionError, match=message) as info:
            model.sample(2, condition={"label": 1}, guidance=rule, **STEPS)
        assert "\n" not in str(info.value)


def test_a_weak_model_may_know_less_and_need_not_have_been_trained_alike(make_model):
    labels = {"label": ClassEntry(3, ("cat", "dog", "eel"), dropout=0.4)}
    for condition in (labels, {}):
        weak = make_model(seed=1, condition=condition).denoiser
        given = {"condition": {"label": 1}, "guidance": Autoguidance(2.0, weak)}
        assert make_model().sample(2, **given, **STEPS).isfinite().all()


def test_samples_are_in_data_units(make_model):
    """The same draw, decoded by hand."""
    model = make_model()
    x0 = (model.sample(2, **STEPS) - torch.tensor([0.3, 0.5]).view(2, 1, 1)) / torch.tensor(
        [0.2, 0.4]
    ).view(2, 1, 1)
    model.codec = clarion.base.normalizer.Normalizer((0.0, 0.0), (1.0, 1.0))
    torch.testing.assert_close(x0, model.sample(2, **STEPS), rtol=0, atol=1e-5)


def test_weights_that_are_not_finite_are_said_to_be(model):
    with torch.no_grad():
        next(model.denoiser.parameters()).fill_(math.nan)
    with pytest.raises(ClarionError, match=r"2 of 2 samples .* not finite"):
        model.sample(2, **STEPS)


def test_precision(model):
    full = model.sample(2, **STEPS)
    half = model.sample(2, precision="bfloat16", **STEPS)
    assert half.dtype == torch.float32
    assert not torch.equal(half, full)
    torch.testing.assert_close(half, full, rtol=0, atol=0.1)  # 50 layers, 2^-8 each
    assert torch.equal(model.sample(2, **STEPS), full)


def test_precision_is_that_of_the_call_alone(model):
    x_t, t = torch.ones(1, *model.config.shape), torch.tensor([0.5])
    before = model.denoiser(x_t, t).mean
    model.sample(1, precision="bfloat16", **STEPS)
    assert torch.equal(model.denoiser(x_t, t).mean, before)


def test_precision_is_also_that_of_the_weak_model(model, make_model):
    """Seen where it computes, behind a rule of its own as well."""
    weak, seen = make_model(seed=1).denoiser, []
    weak.network.register_forward_hook(lambda *called: seen.append(called[2].dtype))
    for rule in (Autoguidance(2.0, weak), Autoguidance(2.0, Clip(-9.0, 9.0)(weak))):
        for precision, dtype in (("bfloat16", torch.bfloat16), ("float32", torch.float32)):
            model.sample(1, guidance=rule, precision=precision, **STEPS)
            assert set(seen) == {dtype}
            seen.clear()


@pytest.mark.parametrize("setting", [{"sampler": HeunSampler}, {"grid": None}])
def test_what_is_no_sampler_or_grid_is_refused(model, setting):
    with pytest.raises(ClarionError, match=r"must be a name, or an instance such as \w+\(\), got"):
        model.sample(1, **setting)


class FakeHub:
    """Takes what is uploaded; nothing leaves the machine."""

    calls: list = []  # noqa: RUF012

    def create_repo(self, repo_id, *, private, exist_ok):
        self.calls.append(("create", repo_id, private, exist_ok))

    def upload_folder(self, *, repo_id, folder_path):
        self.calls.append(
            ("upload", repo_id, {p.name: p.read_bytes() for p in sorted(folder_path.iterdir())})
        )
        return "https://hub/" + repo_id


def test_publishing_uploads_the_files_of_the_saved_model(model, saved, monkeypatch):
    monkeypatch.setattr("huggingface_hub.HfApi", FakeHub)
    monkeypatch.setattr(FakeHub, "calls", [])
    assert model.push_to_hub("me/garments", private=True) == "https://hub/me/garments"
    created, uploaded = FakeHub.calls
    assert created == ("create", "me/garments", True, True)
    assert uploaded == (
        "upload",
        "me/garments",
        {name: (saved / name).read_bytes() for name in FILES},
    )


def test_loading_from_the_hub(saved, model, monkeypatch):
    asked = []

    def snapshot(name, *, allow_patterns):
        asked.append((name, sorted(allow_patterns)))
        return str(saved)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    assert torch.equal(Model.load("me/garments").sample(2, **STEPS), model.sample(2, **STEPS))
    assert asked == [("me/garments", sorted({*FILES[1:], *CODEC_FILES}))]


def hub_errors():
    from huggingface_hub import errors

    response = SimpleNamespace(headers={}, request=None, status_code=404)
    return [
        errors.RepositoryNotFoundError("404", response=response),
        errors.GatedRepoError("403", response=response),
        errors.HfHubHTTPError("500", response=response),
        errors.LocalEntryNotFoundError("no connection"),
        errors.OfflineModeIsEnabled("offline"),
        errors.HFValidationError("Repo id must use alphanumeric chars"),
        ConnectionError("no route"),
    ]


@pytest.mark.parametrize("number", range(7))
def test_a_name_that_the_hub_does_not_serve_is_one_clear_line(monkeypatch, number):
    error = hub_errors()[number]

    def snapshot(name, **_):
        raise error

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    with pytest.raises(CheckpointError, match=r"no folder me/garmnets, and the hub") as info:
        Model.load("me/garmnets")
    assert type(error).__name__ in str(info.value)
    assert "\n" not in str(info.value)


@pytest.mark.parametrize("name", ["runs", "./runs/x", "/nowhere/x", "~/x/none", "a/b/c", "../x"])
def test_a_path_is_never_taken_for_a_hub_name(monkeypatch, name):
    def snapshot(*_, **__):
        raise AssertionError("asked the hub")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    with pytest.raises(CheckpointError, match="There is no folder"):
        Model.load(name)


@pytest.mark.parametrize("name", ["2", "@2", "42", "4000", "@"])
def test_a_number_is_no_checkpoint_of_the_folder_one_is_in(saved, monkeypatch, name):
    monkeypatch.chdir(saved)
    with pytest.raises(CheckpointError, match=f"There is no folder {name}"):
        Model.load(name)


def test_a_home_folder_is_understood(saved, monkeypatch):
    monkeypatch.setenv("HOME", str(saved.parent))
    model = Model.load("~/model")
    assert model.config.shape == (2, 8, 8)
    model.save("~/copy")
    assert sorted(p.name for p in (saved.parent / "copy").iterdir()) == FILES


def test_settings_may_be_typed(model):
    typed = model.sample(
        n=2, condition={"label": 1}, guidance="cfg:2@0.1-0.9", sampler="ddim:eta=0.5", grid="karras"
    )
    built = model.sample(
        n=2,
        condition={"label": 1},
        guidance=CFG(2.0, t_low=0.1, t_high=0.9),
        sampler=DDIMSampler(eta=0.5),
        grid=Karras(),
    )
    assert torch.equal(typed, built)


def test_data_is_drawn_again(model):
    """From near 0 hardly changed, in fewer steps, and whatever the batch."""
    data = model.sample(5, seed=1, num_steps=4)
    before = model.denoiser.num_evaluations
    near = model.sample(5, start=data, start_time=0.02, num_steps=50, seed=2)
    assert model.denoiser.num_evaluations - before < 5 * 10
    far = model.sample(5, start=data, start_time=0.9, num_steps=50, seed=2)
    assert (near - data).abs().mean() < (far - data).abs().mean() / 5
    parts = model.sample(5, start=data, start_time=0.9, num_steps=50, seed=2, batch_size=2)
    torch.testing.assert_close(parts, far, rtol=1e-4, atol=1e-5)
    with pytest.raises(ClarionError, match="start must have shape"):
        model.sample(4, start=data)
