#!/usr/bin/env python3
"""Records cases again with weights of few digits, so that they compress.

    make_small_goldens.py CODE GOLDENS OUT

CODE: a checkout of the published ToonCrafter. GOLDENS: a folder with MANIFEST.json and full cases.
Needs torch, einops, numpy, packaging, safetensors. Each network of the published code is first run
on the weights as they are and held against the recorded results; only then are weights and inputs
rounded to two significant bits, the network run again, and the case written to OUT, compressed,
with a MANIFEST.json of the cases that were written. Intermediate results are left out.
"""
import gzip, inspect, io, json, pathlib, sys, types

import torch

code, goldens, out = (pathlib.Path(path) for path in sys.argv[1:4])
sys.path.insert(0, str(code))
for name in ["cv2", "pytorch_lightning", "torchvision", "omegaconf"]:
    # Imported by the published code, used by none of the networks.
    try:
        __import__(name)
    except ImportError:
        sys.modules[name] = types.ModuleType(name)


def attention(q, k, v, attn_bias=None, op=None):
    """What the published decoder asks of xformers: [b, tokens, c]."""
    return torch.nn.functional.scaled_dot_product_attention(q, k, v)


xformers, ops = types.ModuleType("xformers"), types.ModuleType("xformers.ops")
ops.memory_efficient_attention, xformers.ops, xformers.__version__ = attention, ops, "0.0.20"

from safetensors.torch import load_file, save  # noqa: E402
from lvdm.modules.networks.openaimodel3d import UNetModel  # noqa: E402

# Only the decoder knows no other attention.
sys.modules.update({"xformers": xformers, "xformers.ops": ops})
from lvdm.models.autoencoder_dualref import VideoDecoder  # noqa: E402
from lvdm.modules.networks.ae_modules import Encoder  # noqa: E402


def coarse(x):
    """Two significant bits."""
    if not x.is_floating_point():
        return x
    mantissa, exponent = torch.frexp(x.float())
    return torch.ldexp((mantissa * 4).round() / 4, exponent).to(x.dtype)


def is_weight(name):
    return not name.startswith(("in.", "out.", "tap."))


def part(tensors, prefix):
    found = {k: v.float() for k, v in tensors.items() if is_weight(k) and k.startswith(prefix)}
    return {k[len(prefix):]: v for k, v in found.items()}


def build(kind, config):
    known = set(inspect.signature(kind.__init__).parameters)
    return kind(**{k: v for k, v in config.items() if k in known}).eval()


def features(tensors, name):
    found = sorted(k for k in tensors if k.startswith(name + "."))
    return [tensors[k] for k in sorted(found, key=lambda k: int(k.rsplit(".", 1)[1]))]


class Steered:
    """Adds sketch features: the last to the middle, the others to the skips as they are taken."""

    def __init__(self, net, control):
        self.net, self.control = net, control

    def __call__(self, *args, **more):
        left = list(self.control)
        last = left.pop()
        hooks = [self.net.middle_block.register_forward_hook(lambda m, i, y: y + last)]

        def with_feature(module, inputs):
            joined, *rest = inputs
            feature = left.pop()
            joined = joined.clone()
            joined[:, -feature.shape[1]:] += feature
            return (joined, *rest)

        for block in self.net.output_blocks:
            hooks.append(block.register_forward_pre_hook(with_feature))
        try:
            return self.net(*args, **more)
        finally:
            for hook in hooks:
                hook.remove()


def unet(tensors, config):
    net = build(UNetModel, {**config, "use_checkpoint": False})
    net.load_state_dict(part(tensors, "model.diffusion_model."))
    x = tensors["in.x"]
    if "in.c_concat" in tensors:
        x = torch.cat([x, tensors["in.c_concat"]], 1)
    steps, context, fs = tensors["in.timesteps"], tensors["in.context"], tensors.get("in.fs")
    control, adapter = features(tensors, "in.control"), features(tensors, "in.features_adapter")
    plain = net(x, steps, context=context, fs=fs)
    results = {"out.y": plain, "out.y_without": plain}
    if control:
        results["out.y_with"] = Steered(net, control)(x, steps, context=context, fs=fs)
    if adapter:
        results["out.y_features_adapter"] = net(
            x, steps, context=context, fs=fs, features_adapter=adapter)
    if "in.context_shared" in tensors:
        shared = tensors["in.context_shared"]
        results["out.y_context_shared"] = net(x, steps, context=shared, fs=fs)
    return results


def decoder(tensors, config):
    net = build_autoencoder(VideoDecoder, config)
    net.load_state_dict(part(tensors, "first_stage_model.decoder."))
    references = features(tensors, "in.ref_context")
    results = {}
    for suffix in ["", "_b"]:
        z = tensors["in.z_frames" + suffix]
        results["out.frames" + suffix] = net(z, ref_context=references, timesteps=z.shape[0])
    return results


def build_autoencoder(kind, config):
    names = ["ch", "out_ch", "ch_mult", "num_res_blocks", "attn_resolutions", "dropout",
             "in_channels", "resolution", "z_channels", "double_z"]
    return kind(**{name: config[name] for name in names}).eval()


def encoder(tensors, config):
    net = build_autoencoder(Encoder, config)
    net.load_state_dict(part(tensors, "first_stage_model.encoder."))
    h, hidden = net(tensors["in.frames"], return_hidden_states=True)
    quant = part(tensors, "first_stage_model.quant_conv.")
    moments = torch.nn.functional.conv2d(h, quant["weight"], quant["bias"])
    mean, logvar = moments.chunk(2, 1)
    std = (0.5 * logvar.clamp(-30.0, 20.0)).exp()
    results = {"out.moments": moments, "out.mean": mean, "out.std": std}
    results["out.z_scaled"] = config["scale_factor"] * (mean + std * tensors["in.noise"])
    # The others are shown to be right by the moments.
    results["out.hidden.2"] = hidden[2]
    return results


KINDS = [("unet_down_up", None), ("unet_", unet), ("vae_dualref_decoder", decoder),
         ("vae_encoder", encoder)]


@torch.no_grad()
def main():
    out.mkdir(parents=True, exist_ok=True)
    manifest = json.loads((goldens / "MANIFEST.json").read_text())
    written = []
    for entry in manifest["files"]:
        name = entry["file"]
        run = next((run for start, run in KINDS if name.startswith(start)), None)
        if run is None:
            continue
        tensors = load_file(goldens / name)
        for key, found in run(tensors, entry["config"]).items():
            if key in tensors:
                wanted = tensors[key]
                error = ((found - wanted).abs().max() / wanted.abs().max()).item()
                print(f"{name} {key}: {error:.1e}")
                assert error < 1e-4, "the published code does not reproduce the recorded case"
        rounded = {k: coarse(v) for k, v in tensors.items() if not k.startswith(("out.", "tap."))}
        for key, found in run(rounded, entry["config"]).items():
            if key in tensors:
                rounded[key] = found.contiguous()
        data = save({k: v.contiguous() for k, v in rounded.items()})
        packed = io.BytesIO()
        with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9, mtime=0) as file:
            file.write(data)
        (out / (name + ".gz")).write_bytes(packed.getvalue())
        print(f"{name}: {len(data)} bytes, {len(packed.getvalue())} compressed")
        io_shapes = {k: {"shape": list(v.shape)} for k, v in rounded.items() if not is_weight(k)}
        written.append({
            "file": name, "covers": entry["covers"], "config": entry["config"],
            "tolerance": entry["tolerance"], "io": io_shapes,
        })
    (out / "MANIFEST.json").write_text(json.dumps({"files": written}, indent=1) + "\n")


main()
