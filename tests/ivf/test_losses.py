"""Losses of the critic: laws that hold for any data."""

import math

import pytest
import torch

from mmasc.ivf.critic import Critic
from mmasc.ivf.losses import critic_loss, gradient_penalty, imagination_loss, mix_features


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0, 3.0])
def test_penalty_of_a_plane_is_known(slope):
    weight = torch.full((6,), slope / math.sqrt(6))
    real, fake = torch.randn(4, 2, 3), torch.randn(4, 2, 3)
    penalty = gradient_penalty(lambda x: x.flatten(1) @ weight, real, fake, torch.rand(4))
    torch.testing.assert_close(penalty, torch.tensor((slope - 1) ** 2))


def test_penalty_with_its_weight():
    weight = torch.full((6,), 3 / math.sqrt(6))
    real, fake = torch.randn(4, 6), torch.randn(4, 6)
    penalty = gradient_penalty(lambda x: x @ weight, real, fake, torch.rand(4))
    zero = torch.zeros(4)
    assert float(critic_loss(zero, zero, penalty, 10.0)) == pytest.approx(40, rel=1e-5)


def test_penalty_is_taken_at_the_mixed_items():
    # the gradient of |x|^2 / 2 is x itself
    real, fake, weight = torch.randn(5, 7), torch.randn(5, 7), torch.rand(5)
    penalty = gradient_penalty(lambda x: x.square().sum(1) / 2, real, fake, weight)
    points = weight[:, None] * real + (1 - weight[:, None]) * fake
    torch.testing.assert_close(penalty, ((points.norm(dim=1) - 1) ** 2).mean())


def test_the_penalty_teaches_the_critic():
    critic = Critic(3)
    penalty = gradient_penalty(critic, torch.randn(4, 3, 8, 8), torch.randn(4, 3, 8, 8), torch.rand(4))
    penalty.backward()
    assert all(one.grad is not None and one.grad.abs().sum() > 0 for one in [layer.weight for layer in critic.layers])


def test_mixing_goes_from_imagined_to_real():
    real, fake = torch.ones(3, 2, 4, 4), torch.zeros(3, 2, 4, 4)
    mixed = mix_features(real, fake, torch.tensor([0.0, 0.25, 1.0]))
    assert mixed[:, 0, 0, 0].tolist() == [0.0, 0.25, 1.0]


def test_critic_and_imagination_pull_against_each_other():
    real, fake = torch.tensor([2.0, 4.0]), torch.tensor([1.0, 0.0])
    assert float(critic_loss(real, fake, torch.tensor(0.0), 10.0)) == -2.5
    assert float(imagination_loss(fake)) == -0.5


def test_one_item_does_not_depend_on_its_neighbours():
    critic, features = Critic(4), torch.randn(6, 4, 8, 8)
    one_by_one = torch.cat([critic(item[None]) for item in features])
    torch.testing.assert_close(critic(features), one_by_one)
