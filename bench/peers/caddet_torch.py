"""A plain PyTorch CADDet with routed execution: the peer of the inference benchmark. It shares no code with the packages.

  python caddet_torch.py FOLDER HEIGHT WIDTH THREADS SHARE...

It follows the paper's sections 3.1 and 3.4; shapes are NCHW, in PyTorch's faster layout (channels last). It draws the weights and
the routes, writes weights.safetensors into FOLDER, prints one line {"version", "routes": {SHARE: [paths]}}, and then answers each line
{"share", "runs"} with {"ms": [runs], "means": [levels]}: times, and the mean magnitude of every map of the pyramid.
"""
import json
import sys
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

LAYERS, CHANNELS, SEP_CONVS, PYRAMID = 16, (64, 128, 256, 512), 2, 256  # the preset "paper"
THRESHOLD = 1e-4
UP, KEEP, DOWN = 0, 1, 2


class SepConv(nn.Sequential):
    """Depthwise 3x3, pointwise 1x1, BN."""

    def __init__(self, cin, cout, stride=1):
        super().__init__(
            nn.Conv2d(cin, cin, 3, stride, 1, groups=cin, bias=False),
            nn.Conv2d(cin, cout, 1, bias=False),
            nn.BatchNorm2d(cout),
        )


class Router(nn.Module):
    """Holds the weights alone: this benchmark forces the gates."""

    def __init__(self, channels, paths):
        super().__init__()
        self.squeeze = nn.Conv2d(channels, max(channels // 2, 4), 1)
        self.gate = nn.Linear(max(channels // 2, 4), paths)


class Node(nn.Module):
    def __init__(self, channels, paths):
        super().__init__()
        self.paths = paths  # subset of (UP, KEEP, DOWN), in that order
        self.router = Router(channels, len(paths))
        block = []
        for i in range(SEP_CONVS):
            block += [SepConv(channels, channels)] + ([nn.ReLU()] if i + 1 < SEP_CONVS else [])
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
    """Stem, routing space and the projection to C3..C7. Node (l, s) exists where s <= l."""

    def __init__(self):
        super().__init__()
        c = CHANNELS[0]
        self.scales = len(CHANNELS)
        self.stem = nn.Sequential(SepConv(3, c, 2), nn.ReLU(), SepConv(c, c, 2), nn.ReLU(), SepConv(c, c, 2), nn.ReLU())
        self.nodes = nn.ModuleDict()
        for l in range(LAYERS):
            for s in range(min(l + 1, self.scales)):
                every = [KEEP] if l == LAYERS - 1 else [UP, KEEP, DOWN]
                self.nodes[f"{l}_{s}"] = Node(CHANNELS[s], [p for p in every if 0 <= s + p - 1 < self.scales])
        self.project = nn.ModuleList(nn.Conv2d(ch, PYRAMID, 1) for ch in CHANNELS)
        self.extra = nn.Conv2d(PYRAMID, PYRAMID, 3, 2, 1)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_in", nonlinearity="relu")
                if m.bias is not None:
                    nn.init.zeros_(m.bias)

    @torch.no_grad()
    def routed(self, image, gates):
        """Batch of one: closed paths and dropped nodes are not computed."""
        size_at = lambda s: tuple(-(-int(d) // 2 ** (s + 3)) for d in image.shape[2:])  # ceil at every halving
        state = {0: self.stem(image)}
        for l in range(LAYERS):
            following = {}
            for s in sorted(state):
                node, x = self.nodes[f"{l}_{s}"], state[s]
                g = gates[f"{l}_{s}"]
                on = [v >= THRESHOLD for v in g]
                if not any(on):  # a dropped node passes its input on
                    following[s] = x if s not in following else following[s] + x
                    continue
                y = F.relu(node.block(x) + x)
                for k, p in enumerate(node.paths):
                    if on[k]:
                        out, t = node.emit(p, y, size_at(s - 1) if p == UP else None) * g[k], s + p - 1
                        following[t] = out if t not in following else following[t] + out
            for t in range(min(l + 2, self.scales)):  # a scale that nothing reached
                if t not in following:
                    following[t] = image.new_zeros(1, CHANNELS[t], *size_at(t))
            state = following
        maps = [self.project[s](state[s]) for s in range(self.scales)]
        return maps + [self.extra(maps[-1])]


def random_routes(model, share, seed=0):
    """About `share` of the paths open, with soft gates from 0.5 to 1."""
    rng, out = np.random.RandomState(seed), {}
    for name, node in model.nodes.items():
        v = rng.rand(len(node.paths)).astype("float32")
        out[name] = np.where(v < share, 0.5 + 0.5 * v, 0.0).astype("float32").tolist()
    return out


def save_safetensors(path, arrays):
    """safetensors: u64 header length, JSON header, raw little-endian float32; BN's counters are left out."""
    header, blobs, at = {}, [], 0
    for name, value in arrays.items():
        if name.endswith(".num_batches_tracked"):
            continue
        blob = value.contiguous().numpy().astype("<f4").tobytes()
        header[name] = dict(dtype="F32", shape=list(value.shape), data_offsets=[at, at + len(blob)])
        blobs.append(blob)
        at += len(blob)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as file:
        file.write(len(head).to_bytes(8, "little") + head + b"".join(blobs))


def main():
    folder, height, width, threads, *shares = sys.argv[1:]
    torch.manual_seed(0)
    torch.set_num_threads(int(threads))
    model = CADDet().eval()
    save_safetensors(f"{folder}/weights.safetensors", model.state_dict())
    model = model.to(memory_format=torch.channels_last)
    # The benchmark's image: NHWC, value n is (n * 7919 mod 1000) / 500 - 1.
    values = (np.arange(int(height) * int(width) * 3) * 7919 % 1000 / 500 - 1).astype("float32")
    image = torch.from_numpy(values.reshape(1, int(height), int(width), 3)).permute(0, 3, 1, 2)
    routes = {share: random_routes(model, float(share)) for share in shares}
    flat = {share: [gate for gates in route.values() for gate in gates] for share, route in routes.items()}
    print(json.dumps(dict(version=torch.__version__, routes=flat)), flush=True)
    for line in sys.stdin:
        ask, ms = json.loads(line), []
        for _ in range(ask["runs"]):
            start = time.perf_counter()
            maps = model.routed(image, routes[str(ask["share"])])
            ms.append(1e3 * (time.perf_counter() - start))
        print(json.dumps(dict(ms=ms, means=[m.double().abs().mean().item() for m in maps])), flush=True)


if __name__ == "__main__":
    main()
