"""ToonCrafter's networks in PyTorch, written from the model's description for measuring and checking only.

Modules carry the names of the released checkpoint, so that a state dict of it can be loaded as it is. Channels come
second, as PyTorch has them; frames are folded into the batch except where a layer looks along time.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F


def attend(q, k, v, heads):
    """Softmax attention of `heads` heads on `[b, n, heads * d]`."""
    split = lambda x: x.unflatten(-1, (heads, -1)).transpose(1, 2)
    y = F.scaled_dot_product_attention(split(q), split(k), split(v))
    return y.transpose(1, 2).flatten(2)


class Attention(nn.Module):
    def __init__(self, width, inner, heads, context=None, image=False):
        super().__init__()
        self.heads, self.image = heads, image
        context = context or width
        self.to_q = nn.Linear(width, inner, bias=False)
        self.to_k = nn.Linear(context, inner, bias=False)
        self.to_v = nn.Linear(context, inner, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(inner, width)])
        if image:
            self.to_k_ip = nn.Linear(context, inner, bias=False)
            self.to_v_ip = nn.Linear(context, inner, bias=False)

    def forward(self, x, context=None):
        q, context = self.to_q(x), x if context is None else context
        if not self.image:
            return self.to_out[0](attend(q, self.to_k(context), self.to_v(context), self.heads))
        text, image = context[:, :77], context[:, 77:]
        y = attend(q, self.to_k(text), self.to_v(text), self.heads)
        y = y + attend(q, self.to_k_ip(image), self.to_v_ip(image), self.heads)
        return self.to_out[0](y)


class Gated(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.proj = nn.Linear(width, 2 * inner)

    def forward(self, x):
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * F.gelu(gate)


class FeedForward(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.net = nn.ModuleList([Gated(width, 4 * width), nn.Identity(), nn.Linear(4 * width, width)])

    def forward(self, x):
        return self.net[2](self.net[0](x))


class Block(nn.Module):
    def __init__(self, width, heads, context=None):
        super().__init__()
        self.attn1 = Attention(width, width, heads)
        self.attn2 = Attention(width, width, heads, context, image=context is not None)
        self.ff = FeedForward(width)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))

    def forward(self, x, context=None):
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


class SpatialTransformer(nn.Module):
    def __init__(self, width, heads, context):
        super().__init__()
        self.norm = nn.GroupNorm(32, width, eps=1e-6)
        self.proj_in, self.proj_out = nn.Linear(width, width), nn.Linear(width, width)
        self.transformer_blocks = nn.ModuleList([Block(width, heads, context)])

    def forward(self, x, context, frames):
        y = self.proj_in(self.norm(x).flatten(2).transpose(1, 2))
        y = self.proj_out(self.transformer_blocks[0](y, context))
        return x + y.transpose(1, 2).unflatten(2, x.shape[2:])


class TemporalTransformer(nn.Module):
    def __init__(self, width, heads, head_width, convolutions=False):
        super().__init__()
        inner = heads * head_width
        self.norm = nn.GroupNorm(32, width, eps=1e-6)
        project = (lambda a, b: nn.Conv1d(a, b, 1)) if convolutions else nn.Linear
        self.proj_in, self.proj_out = project(width, inner), project(inner, width)
        self.transformer_blocks = nn.ModuleList([Block(inner, heads)])
        self.convolutions = convolutions

    def project(self, layer, x):
        return layer(x.transpose(1, 2)).transpose(1, 2) if self.convolutions else layer(x)

    def forward(self, x, context, frames):
        b, (c, h, w) = x.shape[0] // frames, x.shape[1:]
        y = self.norm(x.unflatten(0, (b, frames)).transpose(1, 2))
        y = y.permute(0, 3, 4, 2, 1).reshape(b * h * w, frames, c)
        y = self.project(self.proj_out, self.transformer_blocks[0](self.project(self.proj_in, y)))
        return x + y.view(b, h, w, frames, c).permute(0, 3, 4, 1, 2).flatten(0, 1)


class TemporalConvs(nn.Module):
    def __init__(self, width):
        super().__init__()
        conv = lambda: nn.Conv3d(width, width, (3, 1, 1), padding=(1, 0, 0))
        norm = lambda: nn.GroupNorm(32, width)
        self.conv1 = nn.Sequential(norm(), nn.SiLU(), conv())
        for i in (2, 3, 4):
            setattr(self, f"conv{i}", nn.Sequential(norm(), nn.SiLU(), nn.Identity(), conv()))

    def forward(self, x):
        return x + self.conv4(self.conv3(self.conv2(self.conv1(x))))


class ResBlock(nn.Module):
    def __init__(self, inputs, outputs, embedding):
        super().__init__()
        conv = lambda a: nn.Conv2d(a, outputs, 3, padding=1)
        self.in_layers = nn.Sequential(nn.GroupNorm(32, inputs), nn.SiLU(), conv(inputs))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedding, outputs))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(32, outputs), nn.SiLU(), nn.Identity(), conv(outputs)
        )
        same = inputs == outputs
        self.skip_connection = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1)
        self.temopral_conv = TemporalConvs(outputs)

    def forward(self, x, embedding, frames):
        y = self.in_layers(x) + self.emb_layers(embedding)[:, :, None, None]
        y = self.skip_connection(x) + self.out_layers(y)
        y = y.unflatten(0, (-1, frames)).transpose(1, 2)
        return self.temopral_conv(y).transpose(1, 2).flatten(0, 1)


class Downsample(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.op = nn.Conv2d(width, width, 3, stride=2, padding=1)


class Upsample(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)


def sinusoid(t, width):
    half = width // 2
    rates = torch.exp(-math.log(10000) * torch.arange(half) / half)
    angles = t[:, None].float() * rates
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


class Unet(nn.Module):
    """`x: [b, 8, t, h, w]`, `steps, fs: [b]`, `context: [b, 77 + 16 t, context]` -> `[b, 4, t, h, w]`."""

    def __init__(self, channels=320, mult=(1, 2, 4, 4), blocks=2, attention=(0, 1, 2), head=64, context=1024):
        super().__init__()
        self.channels, embedding = channels, 4 * channels
        embed = lambda: nn.Sequential(
            nn.Linear(channels, embedding), nn.SiLU(), nn.Linear(embedding, embedding)
        )
        self.time_embed, self.fps_embedding = embed(), embed()

        def layers(level, width, inputs):
            found = [ResBlock(inputs, width, embedding)]
            if level in attention:
                heads = width // head
                found.append(SpatialTransformer(width, heads, context))
                found.append(TemporalTransformer(width, heads, head))
            return found

        self.input_blocks = nn.ModuleList([nn.ModuleList([nn.Conv2d(8, channels, 3, padding=1)])])
        self.init_attn = nn.ModuleList([TemporalTransformer(channels, 8, head, convolutions=True)])
        width, kept = channels, [channels]
        for level, m in enumerate(mult):
            for _ in range(blocks):
                self.input_blocks.append(nn.ModuleList(layers(level, channels * m, width)))
                width = channels * m
                kept.append(width)
            if level + 1 < len(mult):
                self.input_blocks.append(nn.ModuleList([Downsample(width)]))
                kept.append(width)
        middle = layers(attention[0], width, width)
        self.middle_block = nn.ModuleList([*middle, ResBlock(width, width, embedding)])
        self.output_blocks = nn.ModuleList()
        for level, m in reversed(list(enumerate(mult))):
            for i in range(blocks + 1):
                found = layers(level, channels * m, width + kept.pop())
                width = channels * m
                if level > 0 and i == blocks:
                    found.append(Upsample(width))
                self.output_blocks.append(nn.ModuleList(found))
        self.out = nn.Sequential(
            nn.GroupNorm(32, channels), nn.SiLU(), nn.Conv2d(channels, 4, 3, padding=1)
        )

    def run(self, block, x, embedding, context, frames):
        for layer in block:
            if isinstance(layer, ResBlock):
                x = layer(x, embedding, frames)
            elif isinstance(layer, (SpatialTransformer, TemporalTransformer)):
                x = layer(x, context, frames)
            elif isinstance(layer, Downsample):
                x = layer.op(x)
            elif isinstance(layer, Upsample):
                x = layer.conv(F.interpolate(x, scale_factor=2, mode="nearest"))
            else:
                x = layer(x)
        return x

    def forward(self, x, steps, context, fs):
        b, _, frames, _, _ = x.shape
        dtype = x.dtype
        embed = lambda layer, t: layer(sinusoid(t, self.channels).to(dtype))
        embedding = embed(self.time_embed, steps) + embed(self.fps_embedding, fs)
        embedding = embedding.repeat_interleave(frames, dim=0)
        if context.shape[1] == 77 + 16 * frames:
            text = context[:, :77].repeat_interleave(frames, dim=0)
            image = context[:, 77:].unflatten(1, (frames, 16)).flatten(0, 1)
            context = torch.cat([text, image], dim=1)
        else:
            context = context.repeat_interleave(frames, dim=0)
        x = x.transpose(1, 2).flatten(0, 1)
        kept = []
        for i, block in enumerate(self.input_blocks):
            x = self.run(block, x, embedding, context, frames)
            if i == 0:
                x = self.run(self.init_attn, x, embedding, context, frames)
            kept.append(x)
        x = self.run(self.middle_block, x, embedding, context, frames)
        for block in self.output_blocks:
            x = self.run(block, torch.cat([x, kept.pop()], dim=1), embedding, context, frames)
        return self.out(x).unflatten(0, (b, frames)).transpose(1, 2)


class ResnetBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.norm1 = nn.GroupNorm(32, inputs, eps=1e-6)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = nn.GroupNorm(32, outputs, eps=1e-6)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        if inputs != outputs:
            self.nin_shortcut = nn.Conv2d(inputs, outputs, 1)

    def space(self, x):
        y = self.conv1(F.silu(self.norm1(x)))
        y = self.conv2(F.silu(self.norm2(y)))
        return (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x) + y


class TimeStack(nn.Module):
    def __init__(self, width):
        super().__init__()
        conv = lambda: nn.Conv3d(width, width, (3, 1, 1), padding=(1, 0, 0))
        self.in_layers = nn.Sequential(nn.GroupNorm(32, width), nn.SiLU(), conv())
        self.out_layers = nn.Sequential(
            nn.GroupNorm(32, width), nn.SiLU(), nn.Identity(), conv()
        )


class VideoResBlock(ResnetBlock):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.time_stack = TimeStack(outputs)
        self.mix_factor = nn.Parameter(torch.zeros(1))

    def forward(self, x, frames):
        y = self.space(x).unflatten(0, (-1, frames)).transpose(1, 2)
        s = y + self.time_stack.out_layers(self.time_stack.in_layers(y))
        a = self.mix_factor.sigmoid()
        return (a * s + (1 - a) * y).transpose(1, 2).flatten(0, 1)


class AttnBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.GroupNorm(32, width, eps=1e-6)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(width, width, 1) for _ in range(4))

    def forward(self, x):
        y = self.norm(x)
        tokens = lambda layer: layer(y).flatten(2).transpose(1, 2)
        y = attend(tokens(self.q), tokens(self.k), tokens(self.v), 1)
        return x + self.proj_out(y.transpose(1, 2).unflatten(2, x.shape[2:]))


class Fusion(nn.Module):
    """Attention of every frame to the two references, `[b, c, 2, h, w]`."""

    def __init__(self, width, heads=8, head=64):
        super().__init__()
        inner = heads * head
        self.heads = heads
        self.norm = nn.GroupNorm(32, width, eps=1e-6)
        self.to_q = nn.Linear(width, inner, bias=False)
        self.to_k = nn.Linear(width, inner, bias=False)
        self.to_v = nn.Linear(width, inner, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(inner, width)])

    def forward(self, x, references, frames):
        q = self.to_q(self.norm(x).flatten(2).transpose(1, 2))
        tokens = references.flatten(2).transpose(1, 2)
        k, v = self.to_k(tokens), self.to_v(tokens)
        spread = lambda t: t.repeat_interleave(frames, dim=0)
        y = self.to_out[0](attend(q, spread(k), spread(v), self.heads))
        return x + y.transpose(1, 2).unflatten(2, x.shape[2:])


class Combiner(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 1)

    def forward(self, x, references, frames):
        b = x.shape[0] // frames
        c = self.conv(references.transpose(1, 2).flatten(0, 1)).unflatten(0, (b, 2))
        x = x.unflatten(0, (b, frames)).clone()
        x[:, 0] += c[:, 0]
        x[:, -1] += c[:, 1]
        return x.flatten(0, 1)


class Decoder(nn.Module):
    """`z: [frames, 4, h, w]` and five references -> `[frames, 3, 8 h, 8 w]`."""

    def __init__(self, ch=128, mult=(1, 2, 4, 4), blocks=2, fusion=(2, 3)):
        super().__init__()
        width = ch * mult[-1]
        self.conv_in = nn.Conv2d(4, width, 3, padding=1)
        self.mid = nn.Module()
        self.mid.block_1 = VideoResBlock(width, width)
        self.mid.attn_1 = AttnBlock(width)
        self.mid.block_2 = VideoResBlock(width, width)
        self.up = nn.ModuleList(nn.Module() for _ in mult)
        refine = [None] * (len(mult) + 1)
        for level, m in reversed(list(enumerate(mult))):
            self.up[level].block = nn.ModuleList()
            for _ in range(blocks + 1):
                self.up[level].block.append(VideoResBlock(width, ch * m))
                width = ch * m
            refine[level] = Fusion(width) if level in fusion else Combiner(width)
            if level > 0:
                self.up[level].upsample = Upsample(width)
        refine[-1] = Combiner(width)
        self.attn_refinement = nn.ModuleList(refine)
        self.norm_out = nn.GroupNorm(32, width, eps=1e-6)
        self.conv_out = nn.Conv2d(width, 3, 3, padding=1)
        self.conv_out.time_mix_conv = nn.Conv3d(3, 3, (3, 1, 1), padding=(1, 0, 0))

    def forward(self, z, references):
        frames = z.shape[0]
        x = self.mid.block_1(self.conv_in(z), frames)
        x = self.mid.block_2(self.mid.attn_1(x), frames)
        for level in reversed(range(len(self.up))):
            for block in self.up[level].block:
                x = block(x, frames)
            x = self.attn_refinement[level](x, references[level], frames)
            if level > 0:
                x = self.up[level].upsample.conv(F.interpolate(x, scale_factor=2, mode="nearest"))
        x = self.attn_refinement[-1](F.silu(self.norm_out(x)), references[-1], frames)
        x = self.conv_out(x).unflatten(0, (-1, frames)).transpose(1, 2)
        return self.conv_out.time_mix_conv(x).transpose(1, 2).flatten(0, 1)


class Encoder(nn.Module):
    """`[n, 3, 8 h, 8 w]` -> mean and logarithm of the variance of the latent, `[n, 8, h, w]`, and the hidden states that
    the decoder takes."""

    def __init__(self, ch=128, mult=(1, 2, 4, 4), blocks=2):
        super().__init__()
        self.encoder = encoder = nn.Module()
        encoder.conv_in = nn.Conv2d(3, ch, 3, padding=1)
        encoder.down = nn.ModuleList(nn.Module() for _ in mult)
        width = ch
        for level, (down, m) in enumerate(zip(encoder.down, mult)):
            down.block = nn.ModuleList()
            for _ in range(blocks):
                down.block.append(ResnetBlock(width, ch * m))
                width = ch * m
            if level + 1 < len(mult):
                down.downsample = nn.Module()
                down.downsample.conv = nn.Conv2d(width, width, 3, stride=2)
        encoder.mid = nn.Module()
        encoder.mid.block_1 = ResnetBlock(width, width)
        encoder.mid.attn_1 = AttnBlock(width)
        encoder.mid.block_2 = ResnetBlock(width, width)
        encoder.norm_out = nn.GroupNorm(32, width, eps=1e-6)
        encoder.conv_out = nn.Conv2d(width, 8, 3, padding=1)
        self.quant_conv = nn.Conv2d(8, 8, 1)

    def forward(self, frames):
        encoder = self.encoder
        first = x = encoder.conv_in(frames)
        hidden = []
        for down in encoder.down:
            for block in down.block:
                x = block.space(x)
            hidden.append(x)
            if hasattr(down, "downsample"):
                x = down.downsample.conv(F.pad(x, (0, 1, 0, 1)))
        x = encoder.mid.attn_1(encoder.mid.block_1.space(x))
        x = encoder.conv_out(F.silu(encoder.norm_out(encoder.mid.block_2.space(x))))
        return self.quant_conv(x), [*hidden, first]


class Tower(nn.Module):
    """A CLIP tower without its ends: `blocks` pre-norm transformer blocks on `[b, n, width]`."""

    class Layer(nn.Module):
        def __init__(self, width, heads):
            super().__init__()
            self.heads = heads
            self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x, causal):
            q, k, v = (
                part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
                for part in self.qkv(self.ln_1(x)).chunk(3, dim=-1)
            )
            y = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
            x = x + self.out(y.transpose(1, 2).flatten(2))
            return x + self.down(F.gelu(self.up(self.ln_2(x))))

    def __init__(self, width, heads, blocks, causal):
        super().__init__()
        self.causal = causal
        self.blocks = nn.ModuleList(self.Layer(width, heads) for _ in range(blocks))

    def forward(self, x):
        for block in self.blocks:
            x = block(x, self.causal)
        return x
