"""The networks of the bench as one would write them in PyTorch, with the variables' names of their specs."""

from collections import OrderedDict

import torch
from safetensors.torch import load_file
from torch import nn


def load(name, weights):
    """The network of a spec with the variables that m2sn has saved, ready to predict."""
    network = NETWORKS[name]()
    variables = load_file(weights)
    own = network.state_dict()
    # What m2sn does not have is PyTorch's count of training batches; what it has more are shortcuts and policies.
    network.load_state_dict({key: variables.get(key, own[key]) for key in own if not counts(key)}, strict=False)
    missing = [key for key in own if key not in variables and not counts(key)]
    if missing:
        raise KeyError(f"{weights} lacks {missing[0]} and {len(missing) - 1} more of {name}")
    return network.eval().requires_grad_(False)


def counts(key):
    return key.endswith(".num_batches_tracked")


class LateFusion(nn.Module):
    """One encoder a modality, their features side by side, and a head."""

    def __init__(self, head, **encoders):
        super().__init__()
        self.encoders = nn.ModuleDict(encoders)
        self.head = head

    def forward(self, *inputs):
        features = [encoder(value) for encoder, value in zip(self.encoders.values(), inputs)]
        return self.head(torch.cat(features, 1))


class Conv(nn.Conv2d):
    """A convolution, batch normalisation and relu."""

    def __init__(self, inputs, outputs, kernel, stride=1, padding=0):
        super().__init__(inputs, outputs, kernel, stride, padding, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, image):
        return self.norm(super().forward(image)).relu()


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = nn.Identity()
        if stride != 1 or inputs != outputs:
            projection = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(outputs))

    def forward(self, image):
        hidden = self.bn1(self.conv1(image)).relu()
        return (self.bn2(self.conv2(hidden)) + self.downsample(image)).relu()


class Embedding(nn.Module):
    """A learned row for each token, and one for each place."""

    def __init__(self, vocabulary, length, width):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(vocabulary, width))
        self.positions = nn.Parameter(torch.empty(length, width))

    def forward(self, tokens):
        return nn.functional.embedding(tokens, self.weight) + self.positions


class Mean(nn.Module):
    """The mean over all places of an image or all steps of a sequence."""

    def __init__(self, *dims):
        super().__init__()
        self.dims = dims

    def forward(self, value):
        return value.mean(self.dims)


def residual(inputs, outputs, stride=1):
    return nn.Sequential(BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs))


def transformer(width, heads, feed_forward):
    layer = nn.TransformerEncoderLayer(width, heads, feed_forward, 0.0, "gelu", batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


class Perceptron(nn.Module):
    """Two linear maps with a relu between, called as m2sn calls them."""

    def __init__(self, inputs, hidden, outputs):
        super().__init__()
        self.add_module("0", nn.Linear(inputs, hidden))
        self.add_module("1", nn.Linear(hidden, outputs))

    def forward(self, vector):
        first, second = self.children()
        return second(first(vector).relu())


def named(**layers):
    return nn.Sequential(OrderedDict(layers))


def avdigits():
    def encoder():
        return named(
            stem=Conv(1, 16, 3, 2, 1),
            stage1=residual(16, 16),
            stage2=residual(16, 32, 2),
            stage3=residual(32, 64, 2),
            stage4=residual(64, 64),
            feature=Mean(2, 3),
        )

    return LateFusion(Perceptron(128, 64, 10), image=encoder(), audio=encoder())


def av_mnist():
    def le_net(depth):
        layers = {"conv1": Conv(1, 6, 5, padding=2), "pool1": nn.MaxPool2d(2)}
        for place in range(2, depth + 1):
            channels = 6 * 2 ** (place - 2)
            layers[f"conv{place}"] = Conv(channels, 2 * channels, 3, padding=1)
            layers[f"pool{place}"] = nn.MaxPool2d(2)
        return named(**layers, feature=nn.Flatten())

    return LateFusion(Perceptron(240, 100, 10), image=le_net(4), audio=le_net(6))


def films(width, length, heads, feed_forward):
    image = named(
        stem=Conv(3, 64, 7, 2, 3),
        pool=nn.MaxPool2d(3, 2, 1),
        stage1=residual(64, 64),
        stage2=residual(64, 128, 2),
        stage3=residual(128, 256, 2),
        stage4=residual(256, 512, 2),
        mean=Mean(2, 3),
        feature=nn.Linear(512, width),
    )
    text = named(
        words=Embedding(8192, length, width),
        layers12=transformer(width, heads, feed_forward),
        layers34=transformer(width, heads, feed_forward),
        layers56=transformer(width, heads, feed_forward),
        feature=Mean(1),
    )
    return LateFusion(nn.Linear(2 * width, 23), image=image, text=text)


NETWORKS = {
    "avdigits": avdigits,
    "av_mnist": av_mnist,
    "mm256": lambda: films(256, 64, 4, 1024),
    "mm512": lambda: films(512, 128, 8, 2048),
}
