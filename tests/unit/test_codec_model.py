import numpy as np
import pytest

torch = pytest.importorskip("torch")

from banso.codec import parameters as p  # noqa: E402
from banso.config import CodecConfig  # noqa: E402
from banso.model.codec import CodecVAE, heard_difference  # noqa: E402

pytestmark = pytest.mark.lab
CENTS = slice(p.SIZES[0], p.SIZES[0] + p.SIZES[1])
PAN = slice(sum(p.SIZES[:3]), sum(p.SIZES[:4]))


def data(frames=600, rank=20):
    """Parameters of low rank, as music has them: a few parts that get louder and softer."""
    random = np.random.default_rng(0)
    rows = np.abs(random.standard_normal((frames, rank)) @ random.random((rank, p.NUM_PARAMETERS)))
    rows *= 0.5 / rows.max()
    rows[:, CENTS] = rows[:, PAN] = 0.3
    return torch.from_numpy(rows.astype(np.float32))


def codec(**options):
    torch.manual_seed(0)
    config = CodecConfig(
        encoder_dim=16, decoder_dim=16, encoder_layers=1, decoder_layers=2, **options
    )
    return CodecVAE(config).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def started():
    model = codec()
    model.held = model.start_from_components(data())
    model.set_latent_scale(data().unflatten(0, (-1, 100)))
    return model


def test_the_start_is_a_principal_component_analysis(started):
    assert started.held > 0.95
    parameters = data()[None]
    again = started.decode(started.encode(parameters))
    error = started.weighted(again) - started.weighted(parameters)
    assert error.std() < 0.2 * started.weighted(parameters).std()


def test_latents_have_unit_mean_square(started):
    latents = started.encode(data()[None])
    assert latents.square().mean().item() == pytest.approx(1, abs=0.01)


def test_decoded_parameters_are_playable(started):
    decoded = started.decode(5 * torch.randn(1, 50, 64))
    assert decoded[..., CENTS].abs().max() <= 1
    assert decoded[..., PAN].abs().max() <= 1
    assert torch.isfinite(decoded).all()
    levels = torch.cat([decoded[..., : CENTS.start], decoded[..., CENTS.stop : PAN.start]], dim=-1)
    assert levels.min() >= 0


def test_what_is_not_heard_does_not_count():
    # Cents and pan of silent tones and bands carry no sound and must carry no cost.
    model = codec()
    silent = torch.zeros(1, 4, p.NUM_PARAMETERS)
    detuned = silent.clone()
    detuned[..., CENTS] = 1
    torch.testing.assert_close(model.weighted(detuned), model.weighted(silent))
    loud = silent.clone()
    loud[..., : CENTS.start] = 0.5
    loud_detuned = loud.clone()
    loud_detuned[..., CENTS] = 1
    assert (model.weighted(loud_detuned) - model.weighted(loud)).abs().max() > 0.1


def test_a_frame_depends_on_its_neighbourhood_only():
    # What streaming relies on: decoder_layers * (kernel_size // 2) frames to each side.
    model = codec()
    for parameter in model.decoder.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    reach = 2 * (5 // 2)
    latents = torch.randn(1, 40, 64)
    other = latents.clone()
    other[:, 20] += 1
    change = (model.decode(other) - model.decode(latents)).abs().amax(-1)[0]
    touched = torch.nonzero(change > 0).flatten()
    assert touched.min() >= 20 - reach
    assert touched.max() <= 20 + reach


def test_the_bound_grows_with_error_and_with_information():
    model = codec()
    model.start_from_components(data())
    parameters = data()[None]
    loss = model(parameters)
    assert loss.kl > 0
    bound = loss.reconstruction.item() / (2 * 0.03**2) + loss.kl.item() / p.NUM_PARAMETERS
    heard = 4.0 * loss.chroma.item() + 0.03 * loss.band_db.item()
    assert loss.total.item() == pytest.approx(bound + heard, rel=1e-4)
    model.synthesise.weight.mul_(0.5)
    assert model(parameters).reconstruction > 2 * loss.reconstruction


def test_what_is_heard_is_chroma_and_the_level_of_bands():
    """A wrong note costs chroma; the same notes 3 dB softer cost level alone."""
    model = codec()
    level = torch.zeros(1, 8, p.TONES_PER_FRAME, p.NUM_TONES)
    level[..., 48] = 0.5
    noise = torch.full((1, 8, p.NOISE_PER_FRAME, p.NUM_NOISE_BANDS), 0.1)
    higher, softer = level.roll(1, -1), level * 10 ** (-3 / 20 * p.COMPRESSION)
    chroma, _ = heard_difference((level, noise), (higher, noise), model.noise_tones)
    assert chroma == pytest.approx(1.0, abs=1e-3)
    chroma, band_db = heard_difference((level, noise), (softer, noise), model.noise_tones)
    assert chroma == pytest.approx(0.0, abs=1e-3)
    # One of the bands has the tone.
    assert band_db == pytest.approx(3 / p.NUM_NOISE_BANDS, rel=0.05)
    softer_noise = noise * 10 ** (-3 / 20 * p.COMPRESSION)
    _, band_db = heard_difference((level, noise), (level, softer_noise), model.noise_tones)
    assert band_db == pytest.approx(3 * (1 - 1 / p.NUM_NOISE_BANDS), rel=0.05)


def test_gradients_are_finite_at_silence():
    model = codec().requires_grad_(True).train()
    model(torch.zeros(2, 8, p.NUM_PARAMETERS)).total.backward()
    assert all(torch.isfinite(q.grad).all() for q in model.parameters() if q.grad is not None)
