"""The VQ-VAE: its quantiser against brute force, where gradients go, how a codebook begins and lives on."""

import math
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from mmasc.devices import ProcessGroup
from mmasc.ivf.losses import peak_signal_to_noise, vqvae_loss
from mmasc.ivf.vqvae import Quantizer, VqVae, VqVaeConfig, code_use, fitting_halvings

SMALL = VqVaeConfig(size=16, halvings=2, hidden=8, residual_hidden=4, codes=12, dim=3)


def quantizer(rule: str = "ema") -> Quantizer:
    torch.manual_seed(0)
    return Quantizer(VqVaeConfig(size=16, halvings=2, codes=12, dim=3, codebook=rule))


def vectors(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def test_nearest_is_brute_force():
    codebook, given = quantizer(), vectors(4, 3, 5, 6)
    found = codebook.nearest(given)
    for item in range(4):
        for row in range(5):
            for column in range(6):
                distances = [float((given[item, :, row, column] - code).norm()) for code in codebook.codebook]
                assert distances[int(found[item, row, column])] == min(distances)


@pytest.mark.parametrize("rule", ["ema", "gradient"])
def test_a_codebook_vector_comes_back_as_itself(rule):
    codebook = quantizer(rule)
    grid = torch.arange(12).reshape(1, 3, 4)
    quantised = codebook(codebook.lookup(grid).detach())
    assert torch.equal(quantised.indices, grid)
    torch.testing.assert_close(quantised.vectors, codebook.lookup(grid))
    assert float(quantised.commitment_loss) == pytest.approx(0, abs=1e-12)


def test_the_gradient_goes_straight_through():
    given = vectors(2, 3, 4, 4).requires_grad_(True)
    weights = vectors(2, 3, 4, 4) + 1
    (quantizer()(given).vectors * weights).sum().backward()
    torch.testing.assert_close(given.grad, weights)


def test_each_term_moves_its_own_side_alone():
    codebook, given = quantizer("gradient"), vectors(2, 3, 4, 4).requires_grad_(True)
    quantised = codebook(given)
    (to_codebook,) = torch.autograd.grad(quantised.codebook_loss, codebook.codebook, retain_graph=True)
    assert to_codebook.abs().sum() > 0
    assert torch.autograd.grad(quantised.codebook_loss, given, retain_graph=True, allow_unused=True) == (None,)
    (to_vectors,) = torch.autograd.grad(quantised.commitment_loss, given, retain_graph=True)
    assert to_vectors.abs().sum() > 0
    assert torch.autograd.grad(quantised.commitment_loss, codebook.codebook, allow_unused=True) == (None,)
    # both are the same distance
    torch.testing.assert_close(quantised.codebook_loss, quantised.commitment_loss)


def test_the_loss_is_equation_2():
    torch.manual_seed(2)
    network = VqVae(VqVaeConfig(size=16, halvings=2, hidden=8, residual_hidden=4, codes=12, dim=3, codebook="gradient"))
    pictures = vectors(2, 3, 16, 16)
    made, quantised = network(pictures)
    z = network.encoder(pictures)
    e = network.quantizer.lookup(quantised.indices)
    worked_out = ((made - pictures) ** 2).mean() / 0.3 + ((z - e) ** 2).mean() + 0.25 * ((z - e) ** 2).mean()
    torch.testing.assert_close(vqvae_loss(made, pictures, quantised, 0.3, 0.25), worked_out)


def test_moving_averages_go_to_the_means_of_what_chose_them():
    codebook = quantizer()
    centres = torch.tensor([[10.0, 0, 0], [0, 10, 0], [0, 0, 10]])
    given = centres.T.reshape(1, 3, 1, 3).repeat(4, 1, 1, 1)
    codebook.codebook[:3], codebook.sums[:3] = centres + 1, centres + 1
    generator = torch.Generator().manual_seed(0)
    for _ in range(2000):
        codebook.learn(given, codebook.nearest(given), generator)
    # one code sits on each centre, wherever the others were revived to
    assert float(torch.cdist(centres, codebook.codebook).min(1).values.max()) < 1e-3


def test_dead_codes_begin_again_at_what_is_there():
    codebook, given = quantizer(), vectors(4, 3, 8, 8)
    codebook.codebook[5:] = 1e3  # far from everything: nobody chooses them
    codebook.sums.copy_(codebook.codebook)
    generator, revived = torch.Generator().manual_seed(0), 0
    for _ in range(500):
        revived += codebook.learn(given, codebook.nearest(given), generator)
    assert revived >= 7
    assert float(codebook.codebook.abs().max()) < 10
    assert code_use(codebook.nearest(given), 12)[1] == 1


def test_processes_move_and_revive_the_codebook_alike():
    barrier, given = threading.Barrier(2, timeout=20), {rank: 3 * rank + vectors(2, 3, 4, 4) for rank in range(2)}
    shared: dict[int, torch.Tensor] = {}

    class TwoThreads(ProcessGroup):
        def both(self, values):
            barrier.wait()
            shared[self.rank] = values.clone()
            barrier.wait()
            return shared[0], shared[1]

        def mean(self, values):
            return sum(self.both(values)) / 2

        def broadcast(self, values):
            return self.both(values)[0]

    codebooks = {rank: quantizer() for rank in range(2)}
    for codebook in codebooks.values():
        codebook.counts[7:] = 0.02  # below what keeps them alive after one step, unless somebody chooses them
        codebook.codebook[7:], codebook.sums[7:] = 1e3, 20.0

    def learn(rank):
        generator = torch.Generator().manual_seed(rank)
        indices = codebooks[rank].nearest(given[rank])
        assert codebooks[rank].learn(given[rank], indices, generator, TwoThreads(2, rank)) == 5

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(learn, range(2)))
    assert torch.equal(codebooks[0].codebook, codebooks[1].codebook)
    assert torch.equal(codebooks[0].counts, codebooks[1].counts)
    # what began again did so at vectors of the first process
    first = given[0].permute(0, 2, 3, 1).reshape(-1, 3)
    assert float(torch.cdist(codebooks[1].codebook[7:], first).min(1).values.max()) < 1e-5


def test_k_means_finds_the_rare_among_much_of_the_same():
    codebook = quantizer()
    rare = 10 * vectors(11, 3)
    # a thousand times nearly nothing, and eleven far things once each
    items = torch.cat([1e-3 * vectors(1000, 3), rare])
    codebook.begin(items, torch.Generator().manual_seed(0))
    assert float(torch.cdist(rare, codebook.codebook).min(1).values.max()) < 1e-3


def test_k_means_of_fewer_items_than_codes():
    codebook = quantizer()
    items = vectors(4, 3)
    codebook.begin(items, torch.Generator().manual_seed(0))
    torch.testing.assert_close(codebook.lookup(codebook.nearest(items.T.reshape(1, 3, 2, 2)))[0].flatten(1).T, items)


def test_learning_goes_on_from_where_k_means_ended():
    codebook, items = quantizer(), 10 * vectors(12, 3)
    codebook.counts.fill_(7.0)  # left by steps before
    codebook.begin(items, torch.Generator().manual_seed(0))
    begun = codebook.codebook.clone()
    assert float(torch.cdist(items, begun).min(1).values.max()) < 1e-5
    # Every item is a code of its own, so the moving averages are in balance
    grid = items.T.reshape(1, 3, 3, 4)
    assert codebook.learn(grid, codebook.nearest(grid), torch.Generator().manual_seed(0)) == 0
    torch.testing.assert_close(codebook.codebook, begun)
    torch.testing.assert_close(codebook.counts, torch.ones(12))


def test_use_of_codes():
    assert code_use(torch.arange(8).reshape(1, 2, 4), 8) == (pytest.approx(8), 1)
    assert code_use(torch.zeros(3, 2, 2, dtype=torch.long), 8) == (pytest.approx(1), 1 / 8)


@pytest.mark.parametrize(
    ("halvings", "encoder", "decoder"),
    [(2, 372_096, 289_987), (3, 634_368, 552_259), (4, 896_640, 814_531), (5, 1_158_912, 1_076_803)],
)
def test_parameter_counts(halvings, encoder, decoder):
    network = VqVae(VqVaeConfig(size=64, halvings=halvings, codebook="gradient"))
    assert sum(one.numel() for one in network.encoder.parameters()) == encoder
    assert sum(one.numel() for one in network.decoder.parameters()) == decoder
    assert sum(one.numel() for one in network.quantizer.parameters()) == 32_768


@pytest.mark.parametrize("halvings", [1, 2, 3])
def test_the_decoder_mirrors_the_encoder(halvings):
    config = VqVaeConfig(size=32, halvings=halvings, hidden=8, residual_hidden=4, codes=4, dim=3)
    network = VqVae(config)
    made, quantised = network(vectors(2, 3, 32, 32))
    assert made.shape == (2, 3, 32, 32)
    assert quantised.indices.shape == (2, config.cells, config.cells) == (2, 32 >> halvings, 32 >> halvings)
    torch.testing.assert_close(network.pictures(quantised.indices), made)
    assert torch.equal(network.indices(vectors(2, 3, 32, 32)), quantised.indices)


@pytest.mark.parametrize(("size", "cells"), [(8, 4), (16, 8), (64, 8), (128, 8), (256, 16), (512, 16)])
def test_halvings_leave_some_hundred_cells(size, cells):
    assert size >> fitting_halvings(size) == cells


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(size=60), r"size must be a multiple of 2 \*\* halvings, got 60 and 3"),
        (dict(halvings=0), "size must be a multiple of .*, got 64 and 0"),
        (dict(size=512, halvings=9), "size must be a multiple of .*, got 512 and 9"),
        (dict(codes=1), "codes >= 2, dim >= 1, 0 < decay < 1 must hold, got 1 64 0.99"),
        (dict(dim=0), "must hold, got 512 0 0.99"),
        (dict(decay=0.0), "must hold, got 512 64 0.0"),
        (dict(decay=1.0), "must hold, got 512 64 1.0"),
    ],
)
def test_impossible_configurations_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        VqVaeConfig(**options)


def test_the_least_and_the_most_are_possible():
    config = VqVaeConfig(size=256, halvings=8, codes=2, dim=1)
    assert (config.cells, VqVaeConfig(size=2, halvings=1).cells) == (1, 1)


def test_half_precision_around_it_changes_nothing():
    for rule in ("ema", "gradient"):
        codebook, given = quantizer(rule), vectors(4, 3, 32, 32)
        with torch.autocast("cpu", torch.bfloat16):
            inside = codebook(given)
        assert torch.equal(inside.indices, codebook.nearest(given))
        for one, other in zip(inside, codebook(given), strict=True):
            assert one.dtype == other.dtype
            assert torch.equal(one, other)


def test_psnr_of_a_known_error():
    pictures = torch.zeros(2, 3, 4, 4)
    assert peak_signal_to_noise(pictures + 0.2, pictures) == pytest.approx(10 * math.log10(4 / 0.04), abs=1e-4)


def test_psnr_is_that_of_what_can_be_shown():
    pictures = vectors(2, 3, 4, 4).clamp(-1, 1)
    made = pictures + vectors(2, 3, 4, 4).flip(0)
    assert float(made.min()) < -1.5
    assert float(made.max()) > 1.5
    shown = np.clip(made.double().numpy(), -1, 1)
    wanted = 10 * math.log10(4 / np.square(shown - pictures.double().numpy()).mean())
    assert peak_signal_to_noise(made, pictures) == pytest.approx(wanted, abs=1e-4)
