#!/usr/bin/env python3
"""Times ToonCrafter's parts here and in PyTorch, one after the other, and prints one table.

    cargo bench -p inbetween-tooncrafter --bench full --no-run
    python3 plugin/tooncrafter/benches/peer/compare.py --checkpoint FILE [--frames N] [--threads N] [PART:DTYPE[:FRAMES] ..]

Needs the packages torch, numpy and safetensors. Parts are `unet`, `decode`, `encode`, `text` and `image`, types `f32`
and `bf16`; without any, `unet` and `decode` in both. A number of frames for one part alone follows its type, as in
`decode:bf16:2`. Every figure comes from a process of its own, never two at once:
first ours, then PyTorch with as many threads on the same sizes. Counted is one forward pass after loading: processor seconds of
all threads, which another program on the machine disturbs least, the part of them that the system took, most of it to
provide fresh memory, and the memory that the process had allocated at
most, weights included. PyTorch's threads sleep while they wait rather than spin, so that waiting is not counted; in
bf16 its weights and activations are both bf16. Its `image` leaves out the projector, its `text` the table of tokens;
ours have both.

    python3 plugin/tooncrafter/benches/peer/compare.py --check GOLDENS_DIR

holds the PyTorch side itself against recorded results of small models.
"""

import argparse
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

HEIGHT, WIDTH = 320, 512
LINES = {
    "unet": "unet: forward",
    "decode": r"decode: \d+ frames",
    "encode": "encode: 2 frames",
    "text": "text: forward",
    "image": "image: forward",
}


def allocated():
    """GiB that this process has allocated: resident pages that belong to no file."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"^RssAnon:\s+(\d+)", status, re.M)[1]) / (1 << 20)


def inputs(part, frames, dtype):
    import torch

    h, w = HEIGHT // 8, WIDTH // 8
    random = lambda *shape: torch.randn(shape).to(dtype)
    if part == "unet":
        context = random(1, 77 + 16 * frames, 1024)
        return random(1, 8, frames, h, w), torch.tensor([999]), context, torch.tensor([10])
    if part == "decode":
        sizes = [(128, 8), (256, 4), (512, 2), (512, 1), (128, 8)]
        return random(frames, 4, h, w), [random(1, c, 2, h * s, w * s) for c, s in sizes]
    if part == "encode":
        return (random(2, 3, HEIGHT, WIDTH),)
    return (random(1, 77, 1024) if part == "text" else random(1, 257, 1280),)


def network(part):
    import reference

    if part == "unet":
        return reference.Unet()
    if part == "decode":
        return reference.Decoder()
    if part == "encode":
        return reference.Encoder()
    return reference.Tower(1024, 16, 23, True) if part == "text" else reference.Tower(1280, 16, 32, False)


def run_peer(part, dtype, frames, threads):
    """Runs in a process of its own and prints processor seconds, those of the system, wall seconds and GiB."""
    import torch

    torch.set_num_threads(threads)
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
    torch.set_default_dtype(dtype)
    with torch.no_grad(), torch.device("meta"):
        net = network(part)
    net = net.to_empty(device="cpu").eval()
    torch.set_default_dtype(torch.float32)
    with torch.inference_mode():
        for weight in net.parameters():
            weight.normal_(0, 0.02)
        given = inputs(part, frames, dtype)
        peak, done = [allocated()], threading.Event()

        def watch():
            while not done.wait(0.1):
                peak[0] = max(peak[0], allocated())

        watcher = threading.Thread(target=watch)
        watcher.start()
        wall, cpu, system = time.perf_counter(), time.process_time(), os.times().system
        found = net(*given)
        found = found[0] if part == "encode" else found
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        system = os.times().system - system
        done.set()
        watcher.join()
    assert found.isfinite().all(), "the result is made of numbers"
    print(f"peer {cpu} {system} {wall} {peak[0]} {torch.__version__}")


def ours(bench, checkpoint, part, dtype, frames, environment):
    command = [bench, "--checkpoint", checkpoint, "--dtype", dtype, "--frames", str(frames), part]
    text = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    number = r"\s+([\d.]+)"
    line = rf"^{LINES[part]}.*?{number} s wall{number} s CPU \(([\d.]+) in the system\), peak{number} GiB own"
    wall, cpu, system, memory = map(float, re.search(line, text, re.M).groups())
    return cpu, system, wall, memory


def peer(part, dtype, frames, threads, environment):
    command = [sys.executable, __file__, "--peer", f"{part}:{dtype}", "--frames", str(frames), "--threads", str(threads)]
    text = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    *numbers, version = re.search(r"^peer (\S+) (\S+) (\S+) (\S+) (\S+)", text, re.M).groups()
    return *map(float, numbers), version


def find_bench(root):
    found = [p for p in (root / "release/deps").glob("full-*") if not p.suffix and os.access(p, os.X_OK)]
    if not found:
        sys.exit("Build our side first: cargo bench -p inbetween-tooncrafter --bench full --no-run")
    return str(max(found, key=lambda path: path.stat().st_mtime))


def processor():
    text = Path("/proc/cpuinfo").read_text()
    name = re.search(r"^model name\s*:\s*(.*)", text, re.M)
    flags = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f" {flag}" in text]
    return f"{name[1] if name else 'unknown processor'} ({', '.join(flags)})"


def compare(arguments):
    threads = str(arguments.threads)
    environment = dict(os.environ, RAYON_NUM_THREADS=threads, OMP_NUM_THREADS=threads, OMP_WAIT_POLICY="PASSIVE")
    bench = arguments.bench or find_bench(Path(os.environ.get("CARGO_TARGET_DIR", "target")))
    print(f"{processor()}, {threads} threads, frames of {HEIGHT} x {WIDTH};", end=" ")
    print(f"load average before: {os.getloadavg()[0]:.1f}\n")
    print("| part | precision | CPU s (system) | PyTorch CPU s (system) | ratio | wall s | PyTorch wall s |", end="")
    print(" GiB | PyTorch GiB | load |\n|---|---|---|---|---|---|---|---|---|---|", flush=True)
    for case in arguments.cases or ["unet:f32", "unet:bf16", "decode:f32", "decode:bf16"]:
        part, dtype, *frames = case.split(":")
        frames = int(frames[0]) if frames else arguments.frames
        cpu, system, wall, memory = ours(bench, arguments.checkpoint, part, dtype, frames, environment)
        p_cpu, p_system, p_wall, p_memory, version = peer(part, dtype, frames, arguments.threads, environment)
        name = f"{part}, {frames} frames" if part in ("unet", "decode") else part
        print(
            f"| {name} | {dtype} | {cpu:.1f} ({system:.1f}) | {p_cpu:.1f} ({p_system:.1f}) | {cpu / p_cpu:.2f} |"
            f" {wall:.1f} | {p_wall:.1f} | {memory:.2f} | {p_memory:.2f} | {os.getloadavg()[0]:.1f} |",
            flush=True,
        )
    print(f"\nPyTorch {version}")


def check(folder):
    """Holds the reference against recorded results of small models; stops where they differ."""
    import reference
    import torch
    from safetensors.torch import load_file

    def take(tensors, prefix, net):
        state = {k.removeprefix(prefix): v.float() for k, v in tensors.items() if k.startswith(prefix)}
        net.load_state_dict(state, strict=True)
        return net.eval()

    def close(what, found, wanted):
        error = ((found - wanted).abs().max() / wanted.abs().max()).item()
        print(f"{what}: largest error {error:.1e} of the largest value")
        if not error < 5e-4:
            sys.exit(f"{what} differs from what is recorded")

    with torch.inference_mode():
        tensors = load_file(folder / "unet_full_topology.safetensors")
        net = reference.Unet(32, (1, 1, 1, 2), head=16, context=40)
        net = take(tensors, "model.diffusion_model.", net)
        given = (tensors["in." + name] for name in ("x", "timesteps", "context", "fs"))
        close("unet", net(*given), tensors["out.y"])
        tensors = load_file(folder / "vae_dualref_decoder.safetensors")
        net = reference.Decoder(32, (1, 1, 2, 2))
        net = take(tensors, "first_stage_model.decoder.", net)
        references = [tensors[f"in.ref_context.{i}"] for i in range(5)]
        close("decode", net(tensors["in.z_frames"], references), tensors["out.frames"])
        tensors = load_file(folder / "vae_encoder.safetensors")
        net = take(tensors, "first_stage_model.", reference.Encoder(32, (1, 1, 2, 2)))
        moments, hidden = net(tensors["in.frames"])
        close("encode", moments, tensors["out.moments"])
        for i, found in enumerate(hidden):
            close(f"encode, hidden state {i}", found, tensors[f"out.hidden.{i}"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="PART:DTYPE[:FRAMES]")
    parser.add_argument("--checkpoint", help="weights in the released layout; written with random ones where there are none")
    parser.add_argument("--bench", help="our benchmark program; the newest in the target folder by default")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--check", type=Path, metavar="GOLDENS_DIR")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.check:
        check(arguments.check)
    elif arguments.peer:
        run_peer(*arguments.peer.split(":"), arguments.frames, arguments.threads)
    elif arguments.checkpoint:
        compare(arguments)
    else:
        parser.error("--checkpoint FILE says where the weights are or shall be written")


if __name__ == "__main__":
    main()
