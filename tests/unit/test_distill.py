import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
sys.path.insert(0, str(Path(__file__).parents[1]))

from banso.codec.parameters import NUM_PARAMETERS  # noqa: E402
from banso.conditioning import KNOWN, NUM_CONDITIONS, PARTS, null_conditioning  # noqa: E402
from banso.config import DistillConfig, Experiment, SamplerConfig, TrainConfig  # noqa: E402
from banso.data.cache import save_example  # noqa: E402
from banso.errors import ConfigError  # noqa: E402
from banso.generation import EvaluationCount, guided, noise_levels  # noqa: E402
from banso.sampler import sample  # noqa: E402
from banso.schedule import direction_between, stepped  # noqa: E402
from banso.train import distill  # noqa: E402
from banso.train.distill import DistillModule, GuidedTeacher, Paths, teacher_levels  # noqa: E402
from banso.train.listening import TorchDenoiser  # noqa: E402
from banso.train.loop import load_denoiser, load_settings, save_weights  # noqa: E402
from banso.train.module import DenoiserModule  # noqa: E402
from tiny_networks import CODEC, DENOISER, tiny_networks  # noqa: E402

pytestmark = pytest.mark.lab
STUDENT = SamplerConfig(num_steps=4, guidance_folded=True, sigma_min=0.4, sigma_max=40.0, rho=15.0)
FRAMES = 32


def experiment(**changes):
    train = TrainConfig(
        batch_size=4, crop_frames=FRAMES, drop_all=0.0, precision="fp32", warmup_steps=1,
        learning_rate=3e-3, minutes=5.0, max_steps=60, ema_decay=0.5, log_steps=1,
        validation_steps=1000, max_transpose=0,
    )  # fmt: skip
    settings = Experiment(codec=CODEC, denoiser=DENOISER, sampler=STUDENT, train=train)
    return dataclasses.replace(settings, **changes)


def batch_of(num, known_frames=0):
    draw = torch.Generator().manual_seed(3)
    conditions = torch.rand(num, FRAMES, KNOWN.start, generator=draw)
    known = torch.zeros(num, FRAMES, dtype=torch.bool)
    known[:, :known_frames] = True
    return {
        "parameters": torch.rand(num, FRAMES, NUM_PARAMETERS, generator=draw),
        "conditions": conditions,
        "truth": conditions.clone(),
        "known": known,
        "parts": torch.zeros(num, PARTS.stop - PARTS.start),
        "others": torch.zeros(num, FRAMES, NUM_PARAMETERS),
        "hears_others": torch.zeros(num, dtype=torch.bool),
    }


def conditioning_of(num, known_frames=0):
    draw = torch.Generator().manual_seed(4)
    rows = torch.rand(num, FRAMES, NUM_CONDITIONS, generator=draw)
    rows[..., KNOWN.start] = 0
    rows[:, :known_frames, KNOWN.start] = 1
    return rows


def module_of(**changes):
    denoiser, codec = tiny_networks()
    return DistillModule(experiment(**changes), codec, denoiser)


def test_a_step_and_its_direction_are_inverse():
    random = np.random.default_rng(0)
    noisy, reached = random.standard_normal((2, 3, 8, 4))
    for ratio in (0.0, 0.2, 0.9):
        direction = direction_between(noisy, reached, ratio)
        np.testing.assert_allclose(stepped(noisy, direction, ratio), reached, atol=1e-12)
    # To 0, the direction is where it ends.
    np.testing.assert_array_equal(direction_between(noisy, reached, 0.0), reached)


def test_the_teacher_goes_down_between_the_students_levels():
    sigmas = noise_levels(STUDENT)
    levels = teacher_levels(sigmas, DistillConfig(substeps=3, sigma_min=0.1))
    assert levels.shape == (13,)
    assert (np.diff(levels) < 0).all()
    np.testing.assert_allclose(levels[::3], sigmas, rtol=1e-6)
    np.testing.assert_allclose(levels[-4:], [0.4, 0.2, 0.1, 0.0], rtol=1e-5)
    widths = np.diff(np.log(levels[:10])).reshape(3, 3)
    np.testing.assert_allclose(widths, widths[:, :1] * np.ones(3), rtol=1e-4)
    # One substep is the student's own; a teacher never ends above where the student starts.
    np.testing.assert_allclose(teacher_levels(sigmas, DistillConfig(substeps=1)), sigmas, rtol=1e-6)
    low = teacher_levels(sigmas, DistillConfig(substeps=2, sigma_min=5.0))
    np.testing.assert_allclose(low[-3:], [0.4, 0.2, 0.0], rtol=1e-5)


class GaussianNetwork(torch.nn.Module):
    """The exact denoiser of normal latents, at any conditioning."""

    def __init__(self, mean=1.0, std=0.5):
        super().__init__()
        self.mean, self.std = mean, std
        self.encoder = tiny_networks()[0].encoder

    def hourglass(self, noisy, sigma, encoding):
        variance = sigma[:, None, None] ** 2
        return (self.mean * variance + noisy * self.std**2) / (variance + self.std**2)


def test_the_teacher_goes_where_the_noise_free_equation_ends():
    teacher = GuidedTeacher(GaussianNetwork(), STUDENT)
    levels = teacher_levels(noise_levels(STUDENT), DistillConfig(substeps=16, sigma_min=0.02))
    noise = torch.randn(2, FRAMES, 64, generator=torch.Generator().manual_seed(0))
    states = teacher.follow(levels[0] * noise, conditioning_of(2), levels).numpy()
    # Solved by hand.
    begun = (states[0] - 1.0) / np.sqrt(0.5**2 + levels[0] ** 2)
    for level, state in zip(levels, states, strict=True):
        np.testing.assert_allclose((state - 1.0) / np.sqrt(0.5**2 + level**2), begun, atol=0.06)


def test_the_teacher_goes_as_the_sampler_does():
    denoiser = tiny_networks()[0]
    config = dataclasses.replace(STUDENT, guidance_folded=False)
    conditioning = conditioning_of(2, known_frames=5)
    levels = teacher_levels(noise_levels(STUDENT), DistillConfig())
    noise = torch.randn(2, FRAMES, 64, generator=torch.Generator().manual_seed(0))
    found = GuidedTeacher(denoiser, config).follow(levels[0] * noise, conditioning, levels)
    assert found.shape == (len(levels), 2, FRAMES, 64)
    network = guided(TorchDenoiser(denoiser), conditioning.numpy(), config, EvaluationCount())
    wanted = sample(network, noise.numpy(), levels)
    np.testing.assert_allclose(found[-1].numpy(), wanted, atol=1e-4)
    given = conditioning[:, :5, KNOWN.start + 1 : KNOWN.stop]
    np.testing.assert_allclose(found[-1, :, :5].numpy(), given, atol=1e-6)


def test_without_conditions_there_is_nothing_to_be_guided_by():
    plain = torch.from_numpy(null_conditioning(conditioning_of(2, 5).numpy()))
    torch.testing.assert_close(distill.without_conditions(conditioning_of(2, 5)), plain)
    levels = teacher_levels(noise_levels(STUDENT), DistillConfig())
    noisy = 40 * torch.randn(2, FRAMES, 64)
    ends = [
        GuidedTeacher(
            tiny_networks()[0], dataclasses.replace(STUDENT, guidance_scale=scale)
        ).follow(noisy, plain, levels)[-1]
        for scale in (1.0, 2.0, 5.0)
    ]
    for end in ends[1:]:
        torch.testing.assert_close(end, ends[0], atol=1e-4, rtol=1e-4)


def test_a_teacher_with_conditions_is_guided():
    levels = teacher_levels(noise_levels(STUDENT), DistillConfig())
    noisy, conditioning = 40 * torch.randn(1, FRAMES, 64), 3 * conditioning_of(1)
    ends = [
        GuidedTeacher(
            tiny_networks()[0], dataclasses.replace(STUDENT, guidance_scale=scale)
        ).follow(noisy, conditioning, levels)[-1]
        for scale in (1.0, 2.0)
    ]
    assert (ends[0] - ends[1]).abs().max() > 1e-3


@pytest.mark.parametrize("sigma", [40.0, 2.0, 0.4])
def test_the_loss_is_the_squared_error_where_it_is_small(sigma):
    found, target = torch.randn(2, 3, FRAMES, 64)
    known = torch.zeros(3, FRAMES, dtype=torch.bool)
    squared = distill.step_error(found, target, sigma, known, 0.0)
    by_hand = ((found - target) ** 2).mean((1, 2)) * (sigma**2 + 1) / sigma**2
    torch.testing.assert_close(squared, by_hand)
    torch.testing.assert_close(
        distill.step_error(found, target, sigma, known, 1e3), squared, rtol=1e-2, atol=0
    )
    small = distill.step_error(found, target, sigma, known, 0.1)
    twice = distill.step_error(2 * found, 2 * target, sigma, known, 0.1)
    # Beyond the bound it grows as the error does.
    torch.testing.assert_close(twice / small, torch.full((3,), 2.0), rtol=0.2, atol=0)


def paths_of(module, num, known_frames=0):
    batch = batch_of(num, known_frames)
    return module._paths(batch, seed=0)


def test_known_frames_do_not_count_and_stay():
    latents = torch.randn(2, FRAMES, 64)
    wrong = latents.clone()
    wrong[:, :7] += 100
    known = torch.zeros(2, FRAMES, dtype=torch.bool)
    known[:, :7] = True
    assert distill.step_error(wrong, latents, 1.0, known, 0.1).max() == 0
    paths = paths_of(module_of(), 4, known_frames=7)
    given = paths.conditioning[:, :7, KNOWN.start + 1 : KNOWN.stop]
    last = [step for step, _ in module_of()._walk(paths)][-1]
    torch.testing.assert_close(last.reached[:, :7], given, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(paths.states[-1][:, :7], given, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("order", [1, 2])
def test_the_students_way_is_the_samplers(order):
    module = module_of(sampler=dataclasses.replace(STUDENT, order=order))
    paths = paths_of(module, 3)
    network = TorchDenoiser(module.model).condition(paths.conditioning.numpy())
    sigmas = noise_levels(STUDENT)
    found = sample(network, paths.states[0].numpy() / sigmas[0], sigmas, order=order)
    last = [step for step, _ in module._walk(paths)][-1]
    np.testing.assert_allclose(last.reached.detach().numpy(), found, atol=1e-3)


def test_a_student_that_makes_no_error_is_where_its_teacher_is():
    class Clairvoyant(torch.nn.Module):
        """Knows the way."""

        def __init__(self, states):
            super().__init__()
            self.states, self.step = states, 0

        def hourglass(self, noisy, sigma, encoding):
            ratio = float(SIGMAS[self.step + 1] / SIGMAS[self.step])
            self.step += 1
            return direction_between(noisy, self.states[self.step], ratio)

    SIGMAS = noise_levels(STUDENT)
    module = module_of(sampler=dataclasses.replace(STUDENT, order=1))
    paths = paths_of(module, 2)
    module.model = Clairvoyant(paths.states)
    for index, (step, error) in enumerate(module._walk(paths)):
        torch.testing.assert_close(step.reached, paths.states[index + 1], atol=1e-4, rtol=1e-4)
        assert error.max() < 1e-6


def test_states_are_where_the_students_steps_begin():
    module = module_of(distill=DistillConfig(substeps=5))
    paths = paths_of(module, 2, known_frames=3)
    levels = teacher_levels(noise_levels(STUDENT), DistillConfig(substeps=5))
    teacher = GuidedTeacher(module._teacher[0], STUDENT)
    every = teacher.follow(paths.states[0], paths.conditioning, levels)
    torch.testing.assert_close(paths.states, every[[0, 5, 10, 15, 20]])
    torch.testing.assert_close(float(paths.states[0].std()), 40.0, rtol=0.1, atol=0)


@pytest.mark.parametrize("autocast", [False, True])
def test_every_weight_of_the_hourglass_learns(autocast):
    torch.manual_seed(1)
    module = module_of()
    module.log = lambda *args, **kwargs: None
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        loss = module.training_step(batch_of(4), 0)
    loss.backward()
    for name, weight in module.model.named_parameters():
        learns = weight.grad is not None and bool(weight.grad.abs().max() > 0)
        assert learns is name.startswith("hourglass."), name
    assert all(weight.grad is None for weight in module._teacher[0].parameters())


def test_ways_of_the_teacher_serve_several_times():
    module = module_of(distill=DistillConfig(reuse=3, remembered=2))
    module.log = lambda *args, **kwargs: None
    made = []
    paths = module._paths

    def counted(*args):
        made.append(args)
        return paths(*args)

    module._paths = counted
    for index in range(10):
        module.training_step(batch_of(2), index)
    assert len(made) == 4
    assert len(module._travelled) == 2
    assert all(isinstance(kept, Paths) for kept in module._travelled)


def cached_song(folder, split):
    random = np.random.default_rng(len(split))
    parameters = random.random((64, NUM_PARAMETERS)).astype(np.float32)
    conditions = random.random((64, KNOWN.start)).astype(np.float32)
    save_example(folder / f"{split}.npz", parameters, conditions, split)


@pytest.fixture
def checkpoints(tmp_path):
    denoiser, codec = tiny_networks()
    settings = experiment()
    module = DenoiserModule(settings, codec)
    module.model.load_state_dict(denoiser.state_dict())
    save_weights(module, tmp_path / "teacher.ckpt")
    state = {f"model.{name}": value for name, value in codec.state_dict().items()}
    content = {"state_dict": state, "hyper_parameters": dict(module.hparams)}
    torch.save(content, tmp_path / "codec.ckpt")
    return tmp_path


def measured(module):
    told = {}
    module.log = lambda name, value, **_: told.update({name: float(value.detach())})
    with torch.no_grad():
        module.validation_step(batch_of(4), 0)
    return told


def test_a_student_comes_nearer_to_its_teacher(checkpoints):
    for split in ("train", "validation"):
        cached_song(checkpoints, split)
    settings = experiment()
    train = dataclasses.replace(settings.train, data=str(checkpoints), run=str(checkpoints / "run"))
    settings = dataclasses.replace(settings, train=train)
    path = distill.fit_distilled(settings, checkpoints / "codec.ckpt", checkpoints / "teacher.ckpt")
    student = module_of()
    before = measured(student)
    student.model.load_state_dict(load_denoiser(path).state_dict())
    after = measured(student)
    assert after["validation"] < 0.8 * before["validation"], (before, after)
    steps = [f"validation_step{step}" for step in range(4)]
    assert sum(after[step] for step in steps) < 0.8 * sum(before[step] for step in steps)
    # Its settings say how it is to be sampled, and whose student it is.
    kept = load_settings(path)
    assert kept.sampler == STUDENT
    assert kept.denoiser == DENOISER
    hyper = torch.load(path, weights_only=True)["hyper_parameters"]
    assert hyper["teacher"]["minutes_denoiser"] == 5.0
    assert hyper["teacher"]["config_hash"]


def test_a_teacher_that_is_not_there_is_an_error(checkpoints):
    with pytest.raises(ConfigError, match="no checkpoint"):
        distill.fit_distilled(
            experiment(), checkpoints / "codec.ckpt", checkpoints / "nothing.ckpt"
        )
