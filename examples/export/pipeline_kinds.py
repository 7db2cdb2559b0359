"""What the exporters know of each class of diffusers pipeline: its denoiser on plain latents, and its prompts.

A denoiser is called with latents [n, C, H, W] (or [n, C, T, H, W]), time [n], guidance [n] where it is distilled, and then the
conditions in the order of `conditions`. It packs, chunks and adds what else the network wants by itself.
"""
import torch


class Kind:
    """pipe: the loaded pipeline; length: tokens of a prompt, None: as many as the pipeline takes by itself."""
    network = "transformer"
    condition = "prompt"  # prompt, class or none
    conditions = ("states",)
    guidance = "classifier-free"
    patch = 2  # side of what the network makes a token of

    def __init__(self, pipe, length=None):
        self.pipe, self.length = pipe, length

    @property
    def net(self):
        return getattr(self.pipe, self.network)

    def size(self):
        """Pixels of a side, unless asked for otherwise."""
        side = getattr(self.pipe, "default_sample_size", None) or self.net.config.sample_size
        return side * self.factor()

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

    def encode(self, prompts):
        """{condition: tensor [prompts, ...]}"""
        raise NotImplementedError


class Module(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net


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
         "DiTPipeline": DiT, "DDPMPipeline": Unconditional, "DDIMPipeline": Unconditional}


def kind_of(pipe, length=None):
    name = type(pipe).__name__
    if name not in KINDS:
        raise SystemExit(f"the pipeline is a {name}, expected one of {', '.join(KINDS)}")
    return KINDS[name](pipe, length)
