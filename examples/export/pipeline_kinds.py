"""What the exporters know of each class of diffusers pipeline: its denoiser on plain latents, and its prompts.

A denoiser is called with latents [n, C, H, W] (or [n, C, T, H, W]), time [n], guidance [n] where it is distilled, and then the
conditions in the order of `conditions`. It packs, chunks and adds what else the network wants by itself.
"""
import inspect

import torch


def default_of(pipe, name, otherwise):
    """What the pipeline takes by itself."""
    parameter = inspect.signature(pipe.__call__).parameters.get(name)
    return otherwise if parameter is None else parameter.default


class Kind:
    """pipe: the loaded pipeline; length: tokens of a prompt, frames: of a video, None: as the pipeline has it by itself."""
    network = "transformer"
    condition = "prompt"  # prompt, class or none
    conditions = ("states",)
    guidance = "classifier-free"
    patch = 2  # side of what the network makes a token of
    video = False

    def __init__(self, pipe, length=None, frames=None):
        if frames and not self.video:
            raise SystemExit(f"{frames} frames of a {type(pipe).__name__}, which makes pictures")
        self.pipe, self.length, self.frames = pipe, length, frames

    @property
    def net(self):
        return getattr(self.pipe, self.network)

    def size(self):
        """Height and width in pixels, unless asked for otherwise."""
        side = getattr(self.pipe, "default_sample_size", None) or self.net.config.sample_size
        return side * self.factor(), side * self.factor()

    def factor(self):
        vae = getattr(self.pipe, "vae", None)
        return 1 if vae is None else 2 ** (len(vae.config.block_out_channels) - 1)

    def latent_shape(self, height, width):
        return [self.net.config.in_channels, height // self.factor(), width // self.factor()]

    def tokens(self, shape):
        return shape[-2] * shape[-1] // self.patch ** 2

    def lengths(self):
        return {} if self.length is None else {"max_sequence_length": self.length}

    def denoiser(self, shape):
        """A torch module; latents will have this shape."""
        raise NotImplementedError

    def scaling(self):
        """latents / scale + shift is what the decoder takes."""
        config = self.pipe.vae.config
        return dict(scale=float(config.scaling_factor), shift=float(getattr(config, "shift_factor", None) or 0.0))

    def decoder(self):
        """A torch module from what `scaling` leaves to pictures [n, C, H, W] or videos [n, C, T, H, W]."""
        return Decoder(self.pipe.vae)

    def encode(self, prompts):
        """{condition: tensor [prompts, ...]}"""
        raise NotImplementedError


class Module(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net


class Decoder(Module):
    def forward(self, latents):
        return self.net.decode(latents, return_dict=False)[0]


class StableDiffusion(Kind):
    network = "unet"

    class Denoiser(Module):
        def forward(self, latents, time, states):
            return self.net(latents, time, states, return_dict=False)[0]

    def denoiser(self, shape):
        return self.Denoiser(self.net)

    def encode(self, prompts):
        return {"states": self.pipe.encode_prompt(prompts, "cpu", 1, False)[0]}


class StableDiffusionXL(Kind):
    network = "unet"
    conditions = ("states", "pooled")

    class Denoiser(Module):
        def __init__(self, net, ids):
            super().__init__(net)
            self.register_buffer("ids", ids)

        def forward(self, latents, time, states, pooled):
            added = {"text_embeds": pooled, "time_ids": self.ids.expand(latents.shape[0], -1)}
            return self.net(latents, time, states, added_cond_kwargs=added, return_dict=False)[0]

    def denoiser(self, shape):
        height, width = (side * self.factor() for side in shape[-2:])
        return self.Denoiser(self.net, torch.tensor([[height, width, 0, 0, height, width]], dtype=self.net.dtype))

    def encode(self, prompts):
        states, _, pooled, _ = self.pipe.encode_prompt(prompts, None, "cpu", 1, False)
        if self.pipe.config.force_zeros_for_empty_prompt:
            for i, prompt in enumerate(prompts):
                if prompt == "":
                    states[i], pooled[i] = 0, 0
        return {"states": states, "pooled": pooled}


class StableDiffusion3(Kind):
    conditions = ("states", "pooled")

    class Denoiser(Module):
        def forward(self, latents, time, states, pooled):
            return self.net(hidden_states=latents, timestep=time, encoder_hidden_states=states,
                            pooled_projections=pooled, return_dict=False)[0]

    def denoiser(self, shape):
        return self.Denoiser(self.net)

    def encode(self, prompts):
        states, _, pooled, _ = self.pipe.encode_prompt(
            prompts, None, None, device="cpu", do_classifier_free_guidance=False, **self.lengths())
        return {"states": states, "pooled": pooled}


class Flux(Kind):
    conditions = ("states", "pooled")

    class Denoiser(Module):
        """Two by two latents are one token; ids say where."""

        def __init__(self, net, image_ids, text_ids):
            super().__init__(net)
            self.register_buffer("image_ids", image_ids)
            self.register_buffer("text_ids", text_ids)

        def run(self, latents, time, guidance, states, pooled):
            n, c, h, w = latents.shape
            x = latents.view(n, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5).reshape(n, h * w // 4, 4 * c)
            x = self.net(hidden_states=x, timestep=time / 1000, guidance=guidance, pooled_projections=pooled,
                         encoder_hidden_states=states, txt_ids=self.text_ids, img_ids=self.image_ids,
                         return_dict=False)[0]
            return x.view(n, h // 2, w // 2, c, 2, 2).permute(0, 3, 1, 4, 2, 5).reshape(n, c, h, w)

    class Distilled(Denoiser):
        def forward(self, latents, time, guidance, states, pooled):
            return self.run(latents, time, guidance, states, pooled)

    class Plain(Denoiser):
        def forward(self, latents, time, states, pooled):
            return self.run(latents, time, None, states, pooled)

    @property
    def guidance(self):
        return "distilled" if self.net.config.guidance_embeds else "none"

    def latent_shape(self, height, width):
        side = 2 * self.factor()
        return [self.net.config.in_channels // 4, height // side * 2, width // side * 2]

    def denoiser(self, shape):
        h, w = shape[-2] // 2, shape[-1] // 2
        ids = torch.zeros(h, w, 3, dtype=self.net.dtype)
        ids[..., 1] += torch.arange(h)[:, None]
        ids[..., 2] += torch.arange(w)[None, :]
        length = self.encode([""])["states"].shape[1]
        kind = self.Distilled if self.guidance == "distilled" else self.Plain
        return kind(self.net, ids.reshape(h * w, 3), torch.zeros(length, 3, dtype=self.net.dtype))

    def encode(self, prompts):
        states, pooled, _ = self.pipe.encode_prompt(prompts, None, device="cpu", **self.lengths())
        return {"states": states, "pooled": pooled}


class FirstHalf(Module):
    """Of the channels, where a network predicts a variance beside."""

    def __init__(self, net, channels):
        super().__init__(net)
        self.channels = channels


class PixArt(Kind):
    conditions = ("states", "mask")

    class Denoiser(FirstHalf):
        def forward(self, latents, time, states, mask):
            out = self.net(latents, encoder_hidden_states=states, encoder_attention_mask=mask, timestep=time,
                           added_cond_kwargs={"resolution": None, "aspect_ratio": None}, return_dict=False)[0]
            return out[:, : self.channels]

    def denoiser(self, shape):
        if self.net.config.use_additional_conditions:
            raise SystemExit("the transformer uses additional conditions (PixArt-Alpha at 1024), expected PixArt-Sigma")
        return self.Denoiser(self.net, shape[0])

    def encode(self, prompts):
        states, mask, _, _ = self.pipe.encode_prompt(prompts, False, device="cpu", **self.lengths())
        return {"states": states, "mask": mask}


class LTX(Kind):
    conditions = ("states", "mask")
    video = True

    class Denoiser(Module):
        """Every latent is a token; the frame rate says how far apart they are."""

        def __init__(self, net, shape, scale):
            super().__init__(net)
            self.shape, self.scale = shape, scale

        def forward(self, latents, time, states, mask):
            _, frames, height, width = self.shape
            out = self.net(hidden_states=latents.flatten(2).transpose(1, 2), timestep=time, encoder_hidden_states=states,
                           encoder_attention_mask=mask, num_frames=frames, height=height, width=width,
                           rope_interpolation_scale=self.scale, return_dict=False)[0]
            return out.transpose(1, 2).unflatten(2, (frames, height, width))

    class Decoder(Decoder):
        """The autoencoder's mean and deviation are those of each channel."""

        def forward(self, latents):
            mean, deviation = (part.view(1, -1, 1, 1, 1) for part in (self.net.latents_mean, self.net.latents_std))
            return super().forward(latents * deviation / self.net.config.scaling_factor + mean)

    def size(self):
        return default_of(self.pipe, "height", 512), default_of(self.pipe, "width", 704)

    def latent_shape(self, height, width):
        vae, frames = self.pipe.vae, self.frames or default_of(self.pipe, "num_frames", 161)
        return [self.net.config.in_channels, (frames - 1) // vae.temporal_compression_ratio + 1,
                height // vae.spatial_compression_ratio, width // vae.spatial_compression_ratio]

    def tokens(self, shape):
        return shape[1] * shape[2] * shape[3]

    def denoiser(self, shape):
        if (self.net.config.patch_size, self.net.config.patch_size_t) != (1, 1):
            raise SystemExit("the transformer makes one token of several latents, expected patch_size and patch_size_t 1")
        vae, rate = self.pipe.vae, default_of(self.pipe, "frame_rate", 25)
        side = vae.spatial_compression_ratio
        return self.Denoiser(self.net, shape, (vae.temporal_compression_ratio / rate, side, side))

    def scaling(self):
        return {}

    def decoder(self):
        config = self.pipe.vae.config
        if config.timestep_conditioning or any(config.decoder_inject_noise):
            raise SystemExit("the autoencoder decodes with noise of its own (timestep_conditioning, decoder_inject_noise), "
                             "expected one that does not")
        return self.Decoder(self.pipe.vae)

    def encode(self, prompts):
        states, mask, _, _ = self.pipe.encode_prompt(prompts, None, False, device="cpu", **self.lengths())
        return {"states": states, "mask": mask}


class DiT(Kind):
    condition = "class"
    conditions = ()

    class Denoiser(FirstHalf):
        def forward(self, latents, time, label):
            return self.net(latents, timestep=time, class_labels=label, return_dict=False)[0][:, : self.channels]

    def denoiser(self, shape):
        return self.Denoiser(self.net, shape[0])


class Unconditional(Kind):
    network = "unet"
    condition = "none"
    conditions = ()
    guidance = "none"

    class Denoiser(Module):
        def forward(self, latents, time):
            return self.net(latents, time, return_dict=False)[0]

    def denoiser(self, shape):
        return self.Denoiser(self.net)


KINDS = {"StableDiffusionPipeline": StableDiffusion, "StableDiffusionXLPipeline": StableDiffusionXL,
         "StableDiffusion3Pipeline": StableDiffusion3, "FluxPipeline": Flux, "PixArtSigmaPipeline": PixArt,
         "LTXPipeline": LTX,
         "DiTPipeline": DiT, "DDPMPipeline": Unconditional, "DDIMPipeline": Unconditional}


def kind_of(pipe, length=None, frames=None):
    name = type(pipe).__name__
    if name not in KINDS:
        raise SystemExit(f"the pipeline is a {name}, expected one of {', '.join(KINDS)}")
    return KINDS[name](pipe, length, frames)
