"""Pipeline directories of the real classes, with small random weights, as save_pretrained writes them.

    python tests/golden/tiny_pipelines.py NAME FOLDER       # diffusers 0.42.1, transformers 5.23
    python tests/golden/tiny_pipelines.py --list

The seed is fixed, and every weight is moved from where its layer starts, so that none is zero.
"""
import argparse
import json
import pathlib
import string
import tempfile

import diffusers as d
import torch
import transformers as t

TOKENIZERS = pathlib.Path(__file__).parent / "tokenizer_files"
WORDS = ["red", "green", "blue", "circle", "square"]
STABLE_DIFFUSION = dict(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)


def clip_tokenizer():
    pieces = list(string.ascii_lowercase) + [c + "</w>" for c in string.ascii_lowercase]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    return t.CLIPTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, merges=[],
                           model_max_length=16)


def clip_text(width=16, projection=None):
    config = t.CLIPTextConfig(vocab_size=54, hidden_size=width, intermediate_size=2 * width,
                              num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=16,
                              bos_token_id=52, eos_token_id=53, pad_token_id=53,
                              projection_dim=projection or width)
    return t.CLIPTextModelWithProjection(config) if projection else t.CLIPTextModel(config)


def t5_tokenizer():
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(letter, -3.0) for letter in string.ascii_lowercase]
    return t.T5TokenizerFast(vocab=pieces, extra_ids=0, model_max_length=16)


def t5_text(width=16):
    return t.T5EncoderModel(t.T5Config(vocab_size=30, d_model=width, d_kv=8, d_ff=2 * width,
                                       num_layers=1, num_heads=2))


def autoencoder(channels=4, widths=(32, 32), **options):
    return d.AutoencoderKL(block_out_channels=widths, down_block_types=("DownEncoderBlock2D",) * len(widths),
                           up_block_types=("UpDecoderBlock2D",) * len(widths), layers_per_block=1,
                           latent_channels=channels, sample_size=16, **options)


def unet(**options):
    return d.UNet2DConditionModel(
        sample_size=8, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4,
        cross_attention_dim=16, attention_head_dim=2, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), **options)


def sd15():
    return d.StableDiffusionPipeline(
        vae=autoencoder(widths=(4, 8), norm_num_groups=2), text_encoder=clip_text(), tokenizer=clip_tokenizer(), unet=unet(),
        scheduler=d.DDIMScheduler(clip_sample=False, set_alpha_to_one=False, steps_offset=1, **STABLE_DIFFUSION),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False)


def flux():
    return d.FluxPipeline(
        scheduler=d.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift=3.0),
        vae=autoencoder(use_quant_conv=False, use_post_quant_conv=False, scaling_factor=0.3611,
                        shift_factor=0.1159),
        text_encoder=clip_text(), tokenizer=clip_tokenizer(), text_encoder_2=t5_text(), tokenizer_2=t5_tokenizer(),
        transformer=d.FluxTransformer2DModel(
            patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16,
            num_attention_heads=2, joint_attention_dim=16, pooled_projection_dim=16, guidance_embeds=True,
            axes_dims_rope=(4, 6, 6)))


def ddpm():
    return d.DDPMPipeline(
        unet=d.UNet2DModel(sample_size=8, in_channels=3, out_channels=3, block_out_channels=(8, 16),
                           norm_num_groups=4, layers_per_block=1, attention_head_dim=4,
                           down_block_types=("DownBlock2D", "AttnDownBlock2D"),
                           up_block_types=("AttnUpBlock2D", "UpBlock2D")),
        scheduler=d.DDPMScheduler(beta_schedule="linear", beta_start=1e-4, beta_end=0.02, clip_sample=True))


def dit():
    return d.DiTPipeline(
        transformer=d.DiTTransformer2DModel(num_attention_heads=2, attention_head_dim=8, in_channels=4,
                                            out_channels=8, num_layers=2, sample_size=8, num_embeds_ada_norm=1000),
        vae=autoencoder(),
        scheduler=d.DDIMScheduler(beta_schedule="linear", beta_start=1e-4, beta_end=0.02, clip_sample=False))


def pixart():
    return d.PixArtSigmaPipeline(
        tokenizer=t5_tokenizer(), text_encoder=t5_text(), vae=autoencoder(),
        transformer=d.PixArtTransformer2DModel(
            num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=8, num_layers=2,
            cross_attention_dim=16, sample_size=8, patch_size=2, caption_channels=16,
            use_additional_conditions=False),
        scheduler=d.DPMSolverMultistepScheduler(beta_schedule="linear", beta_start=1e-4, beta_end=0.02))


def sdxl():
    return d.StableDiffusionXLPipeline(
        vae=autoencoder(scaling_factor=0.13025), text_encoder=clip_text(), tokenizer=clip_tokenizer(),
        text_encoder_2=clip_text(16, projection=16), tokenizer_2=clip_tokenizer(),
        unet=d.UNet2DConditionModel(
            sample_size=8, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4,
            cross_attention_dim=32, attention_head_dim=(2, 4), down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), use_linear_projection=True,
            addition_embed_type="text_time", addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=16 + 6 * 8, transformer_layers_per_block=1),
        scheduler=d.EulerDiscreteScheduler(steps_offset=1, timestep_spacing="leading", **STABLE_DIFFUSION))


def sd3():
    return d.StableDiffusion3Pipeline(
        transformer=d.SD3Transformer2DModel(
            sample_size=8, patch_size=2, in_channels=4, num_layers=1, attention_head_dim=8, num_attention_heads=4,
            joint_attention_dim=32, caption_projection_dim=32, pooled_projection_dim=32, out_channels=4,
            pos_embed_max_size=8),
        scheduler=d.FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=autoencoder(use_quant_conv=False, use_post_quant_conv=False, scaling_factor=1.5305,
                        shift_factor=0.0609),
        text_encoder=clip_text(16, projection=16), tokenizer=clip_tokenizer(),
        text_encoder_2=clip_text(16, projection=16), tokenizer_2=clip_tokenizer(),
        text_encoder_3=t5_text(32), tokenizer_3=t5_tokenizer())


def ltx():
    up = dict(block_out_channels=(8,) * 4, layers_per_block=(1,) * 5, spatio_temporal_scaling=(True, True, False, False))
    vae = d.AutoencoderKLLTXVideo(latent_channels=8, patch_size=1, scaling_factor=0.9, **up,
                                  **{f"decoder_{key}": value for key, value in up.items()})
    vae.latents_mean, vae.latents_std = torch.linspace(-0.5, 0.5, 8), torch.linspace(0.5, 1.5, 8)
    return d.LTXPipeline(
        vae=vae, tokenizer=t5_tokenizer(), text_encoder=t5_text(),
        transformer=d.LTXVideoTransformer3DModel(
            in_channels=8, out_channels=8, num_attention_heads=2, attention_head_dim=8, cross_attention_dim=16,
            num_layers=2, caption_channels=16),
        scheduler=d.FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True, base_shift=0.95, max_shift=2.05, base_image_seq_len=1024,
            max_image_seq_len=4096, shift_terminal=0.1))


def tokenizer_of(name):
    """One of tokenizer_files/, which know more than letters, as its class of transformers."""
    text = (TOKENIZERS / f"{name}.json").read_text(encoding="utf-8")
    if name == "clip":
        model = json.loads(text)["model"]
        return t.CLIPTokenizer(vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]], model_max_length=16)
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "tokenizer.json").write_text(text, encoding="utf-8")
        return t.T5TokenizerFast.from_pretrained(folder, extra_ids=5, model_max_length=16)


def give_tokenizers(pipeline):
    """Other tokenizers, and embeddings for their tokens; all else stays as it is."""
    torch.manual_seed(3)
    for name in [name for name in pipeline.components if name.startswith("tokenizer")]:
        tokenizer = tokenizer_of("clip" if type(getattr(pipeline, name)) is t.CLIPTokenizer else "t5")
        encoder = getattr(pipeline, name.replace("tokenizer", "text_encoder"))
        encoder.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
            setattr(encoder.config, key, getattr(tokenizer, key))
        torch.nn.init.normal_(encoder.get_input_embeddings().weight)
        setattr(pipeline, name, tokenizer)


PIPELINES = {f.__name__: f for f in (sd15, flux, ddpm, dit, pixart, sdxl, sd3, ltx)}


def make(name, folder, every_text=False):
    """Writes the pipeline and returns it. every_text: its tokenizers know more than letters."""
    torch.manual_seed(2)
    pipeline = PIPELINES[name]()
    for part in pipeline.components.values():
        if not isinstance(part, torch.nn.Module):
            continue
        part.eval()
        with torch.no_grad():
            for parameter in part.parameters():
                parameter += 0.05 * torch.randn_like(parameter)
    if every_text:
        give_tokenizers(pipeline)
    pipeline.save_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=[*PIPELINES], nargs="?")
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(PIPELINES))
    else:
        make(arguments.name, arguments.folder)
