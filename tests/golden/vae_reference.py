"""Golden values of AutoencoderKL's decoder, from the class of diffusers itself, in float64.

    python tests/golden/vae_reference.py > tests/golden/vae_reference.txt   # diffusers 0.42.1

Weights are hashed by their names (hashed_tensors.py), so none has to be stored.
"""
import math

import torch
from diffusers import AutoencoderKL
from hashed_tensors import hashed

torch.set_grad_enabled(False)


def weights(module):
    for name, tensor in module.state_dict().items():
        if "norm" in name:
            value = hashed(name, tensor.shape, 0.2, 1.0 if name.endswith("weight") else 0.0)
        elif name.endswith("bias"):
            value = hashed(name, tensor.shape, 0.1)
        else:
            value = hashed(name, tensor.shape, 1.5 / math.sqrt(tensor[0].numel()))
        yield name, torch.from_numpy(value)


def autoencoder(blocks, layers, channels, post_quant=True):
    module = AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * len(blocks),
        up_block_types=["UpDecoderBlock2D"] * len(blocks),
        block_out_channels=blocks, layers_per_block=layers, latent_channels=channels,
        use_post_quant_conv=post_quant, use_quant_conv=post_quant,
        sample_size=8 * 2 ** (len(blocks) - 1))
    module.load_state_dict(dict(weights(module)))
    return module.to(torch.float64).eval()


def tell(key, values):
    flat = values.flatten()
    print(f"{key}.rms {flat.square().mean().sqrt():.9g}")
    for i in range(0, flat.numel(), max(1, flat.numel() // 61)):
        print(f"{key}.{i} {flat[i]:.9g}")


def latents(channels, height, width, items=2):
    return torch.from_numpy(hashed("z", (items, channels, height, width), 1.7)).to(torch.float64)


if __name__ == "__main__":
    tell("stable_diffusion", autoencoder((128, 256, 512, 512), 2, 4).decode(latents(4, 8, 8, 1)).sample)
    tell("sixteen_channels", autoencoder((32, 64), 1, 16, False).decode(latents(16, 6, 10)).sample)
    tiled = autoencoder((32, 64), 1, 4)
    tell("small", tiled.decode(latents(4, 20, 13)).sample)
    tiled.enable_tiling()
    tell("tiled", tiled.decode(latents(4, 20, 13)).sample)
