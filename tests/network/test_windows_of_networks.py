"""What a network makes of windows: the features of their last steps, of every backbone."""

import pytest
import torch

from forecast.network.inputs import InputSpec
from forecast.network.network import Network
from forecast.network.settings import EsnSettings, GruSettings, LstmSettings, MinGruSettings, RnnSettings

SETTINGS = {
    "rnn": RnnSettings(hidden_size=5),
    "lstm": LstmSettings(hidden_size=5),
    "lstm of two layers": LstmSettings(hidden_size=5, layers=2),
    "gru": GruSettings(hidden_size=5),
    "bidirectional": GruSettings(hidden_size=5, bidirectional=True),
    "mingru": MinGruSettings(hidden_size=5),
    "dilated": GruSettings(hidden_size=5, layers=2, dilations=(1, 3)),
    "normalised": LstmSettings(hidden_size=5, layers=2, layer_norm=True, residual=True),
    "segmented": LstmSettings(hidden_size=5, segment_steps=4),
    "esn": EsnSettings(hidden_size=12),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_features_of_the_last_step_are_the_last_of_the_features(name):
    torch.manual_seed(0)
    network = Network(SETTINGS[name], InputSpec(inputs=3, horizon=2))
    x, series = torch.randn(4, 17, 3), torch.zeros(4, 17, dtype=torch.int64)
    weights = [weight for weight in network.backbone.parameters() if weight.requires_grad]

    def with_gradients(features):
        gradients = torch.autograd.grad(features.square().sum(), weights) if weights else ()
        return features.detach(), gradients

    features, _ = network.features(x, series, network.initial_state(4))
    expected = with_gradients(features[:, -1])
    torch.testing.assert_close(with_gradients(network.last_features(x, series)), expected, rtol=1e-5, atol=1e-6)
