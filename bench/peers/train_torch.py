"""The PyTorch CADDet in training: the peer of the training benchmark. It shares no code with the packages.

  python train_torch.py FOLDER PRESET BATCH HEIGHT WIDTH THREADS

A step is forward, backward and SGD of backbone and pyramid, with the mean square of the pyramid and the mean gates as its loss, in
PyTorch's faster layout (channels last). It draws the weights, writes weights.safetensors into FOLDER, prints one line {"version"},
and then answers each line {"steps"} with {"ms": [steps], "losses": [steps], "peak_rss_mib"}.
"""
import json
import sys
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from caddet_torch import DOWN, KEEP, UP, SepConv, save_safetensors

PRESETS = {
    "paper": dict(layers=16, channels=(64, 128, 256, 512), sep_convs=2, pyramid=256),
    "small": dict(layers=8, channels=(32, 64, 128, 256), sep_convs=1, pyramid=96),
    "tiny": dict(layers=4, channels=(8, 16, 32, 64), sep_convs=1, pyramid=16),
}
THRESHOLD = 1e-4


class Router(nn.Module):
    """Average to 2 x 2 cells, 1x1 convolution, ReLU, global average, linear map; gate = relu(tanh(.))."""

    def __init__(self, channels, paths):
        super().__init__()
        self.squeeze = nn.Conv2d(channels, max(channels // 2, 4), 1)
        self.gate = nn.Linear(max(channels // 2, 4), paths)
        nn.init.constant_(self.gate.bias, 1.5)

    def forward(self, x):
        x = F.relu(self.squeeze(F.adaptive_avg_pool2d(x, 2)))
        return torch.relu(torch.tanh(self.gate(x.mean((2, 3)))))


class Node(nn.Module):
    def __init__(self, channels, paths, sep_convs):
        super().__init__()
        self.paths = paths
        self.router = Router(channels, len(paths))
        block = []
        for i in range(sep_convs):
            block += [SepConv(channels, channels)] + ([nn.ReLU()] if i + 1 < sep_convs else [])
        self.block = nn.Sequential(*block)
        if UP in paths:
            self.up = nn.Sequential(nn.Conv2d(channels, channels // 2, 1, bias=False), nn.BatchNorm2d(channels // 2))
        if DOWN in paths:
            self.down = nn.Sequential(nn.Conv2d(channels, channels * 2, 1, 2, bias=False), nn.BatchNorm2d(channels * 2))

    def emit(self, path, y, up_size):
        if path == KEEP:
            return y
        if path == UP:
            return F.interpolate(F.relu(self.up(y)), up_size, mode="bilinear", align_corners=False)
        return F.relu(self.down(y))


class CADDet(nn.Module):
    """Stem, routing space and the projection to C3..C7. Node (l, s) exists where s <= l; every node runs, gates multiply."""

    def __init__(self, layers, channels, sep_convs, pyramid):
        super().__init__()
        c, self.layers, self.scales = channels[0], layers, len(channels)
        self.stem = nn.Sequential(SepConv(3, c, 2), nn.ReLU(), SepConv(c, c, 2), nn.ReLU(), SepConv(c, c, 2), nn.ReLU())
        self.nodes = nn.ModuleDict()
        for l in range(layers):
            for s in range(min(l + 1, self.scales)):
                every = [KEEP] if l == layers - 1 else [UP, KEEP, DOWN]
                paths = [p for p in every if 0 <= s + p - 1 < self.scales]
                self.nodes[f"{l}_{s}"] = Node(channels[s], paths, sep_convs)
        self.project = nn.ModuleList(nn.Conv2d(ch, pyramid, 1) for ch in channels)
        self.extra = nn.Conv2d(pyramid, pyramid, 3, 2, 1)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_in", nonlinearity="relu")
                if m.bias is not None:
                    nn.init.zeros_(m.bias)

    def forward(self, images):
        state, gates = {0: self.stem(images)}, []
        for l in range(self.layers):
            following = {}
            for s in sorted(state):
                node, x = self.nodes[f"{l}_{s}"], state[s]
                g = node.router(x)
                gates.append(g)
                y = F.relu(node.block(x) + x)
                dropped = (g < THRESHOLD).all(1).float()[:, None, None, None]
                for k, p in enumerate(node.paths):
                    out = node.emit(p, y, state[s - 1].shape[2:] if p == UP else None) * g[:, k, None, None, None]
                    if p == KEEP:  # a dropped node passes its input on
                        out = out * (1 - dropped) + x * dropped
                    t = s + p - 1
                    following[t] = out if t not in following else following[t] + out
            state = following
        maps = [self.project[s](state[s]) for s in range(self.scales)]
        return maps + [self.extra(maps[-1])], torch.cat(gates, 1)


def peak_rss_mib():
    """Of this program alone: what getrusage tells begins with the peak of whoever started it."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main():
    folder, preset, *numbers = sys.argv[1:]
    batch, height, width, threads = map(int, numbers)
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    model = CADDet(**PRESETS[preset]).train()
    save_safetensors(f"{folder}/weights.safetensors", model.state_dict())
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, 0.9, weight_decay=1e-4)
    # The benchmark's images: NHWC, value n is (n * 7919 mod 1000) / 500 - 1.
    values = (np.arange(batch * height * width * 3) * 7919 % 1000 / 500 - 1).astype("float32")
    images = torch.from_numpy(values.reshape(batch, height, width, 3)).permute(0, 3, 1, 2)
    print(json.dumps(dict(version=torch.__version__)), flush=True)
    for line in sys.stdin:
        ms, losses = [], []
        for _ in range(json.loads(line)["steps"]):
            start = time.perf_counter()
            optimizer.zero_grad(set_to_none=True)
            maps, gates = model(images)
            loss = sum(m.square().mean() for m in maps) + gates.mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            ms.append(1e3 * (time.perf_counter() - start))
        print(json.dumps(dict(ms=ms, losses=losses, peak_rss_mib=peak_rss_mib())), flush=True)


if __name__ == "__main__":
    main()
