"""Trajectories of diffusers' schedulers with a network that is a formula.

    python tests/golden/diffusion_solvers.py > tests/golden/diffusion_solvers.txt   # diffusers 0.42.1

The network is 0.6 tanh(1.3 x + 0.002 time) + 0.1 cos(3 i) at element i; noises are hashed.
"""
import importlib

import numpy as np
import torch
from diffusers import (DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler,
                       EulerAncestralDiscreteScheduler, EulerDiscreteScheduler,
                       FlowMatchEulerDiscreteScheduler, HeunDiscreteScheduler)
from hashed_tensors import hashed

ELEMENTS = 8
BETAS = dict(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)


def noise(k):
    return torch.from_numpy(hashed(f"noise {k}", (1, ELEMENTS), 1.7)).to(torch.float64)


def network(x, time):
    time = torch.as_tensor(time, dtype=torch.float64)
    return 0.6 * torch.tanh(1.3 * x + 0.002 * time) + 0.1 * torch.cos(3 * torch.arange(ELEMENTS))


class Noises:
    """In place of the random numbers of a step."""

    def __init__(self):
        self.count = 0

    def __call__(self, shape, **_):
        self.count += 1
        return noise(self.count)


def run(key, scheduler, steps, step_options=None, **options):
    module = importlib.import_module(type(scheduler).__module__)
    module.randn_tensor = Noises()
    if steps:
        options["num_inference_steps"] = steps
    scheduler.set_timesteps(**options)
    x = noise(0) * getattr(scheduler, "init_noise_sigma", 1.0)
    for time in scheduler.timesteps:
        given = scheduler.scale_model_input(x, time) if hasattr(scheduler, "scale_model_input") else x
        x = scheduler.step(network(given, time), time, x, **(step_options or {})).prev_sample
    for i, value in enumerate(x[0].to(torch.float64)):
        print(f"{key} {i} {value:.9g}")


if __name__ == "__main__":
    plain = dict(clip_sample=False, **BETAS)
    ddim = dict(set_alpha_to_one=False, steps_offset=1, **plain)
    run("ddim", DDIMScheduler(**ddim), 10)
    run("ddim_eta", DDIMScheduler(**ddim), 10, {"eta": 0.5})
    run("ddim_v", DDIMScheduler(prediction_type="v_prediction", timestep_spacing="trailing",
                                rescale_betas_zero_snr=True, **plain), 7)
    run("ddim_sample", DDIMScheduler(prediction_type="sample", timestep_spacing="linspace", **plain), 9)
    run("ddpm", DDPMScheduler(beta_schedule="linear", beta_start=1e-4, beta_end=0.02, clip_sample=False), 10)
    run("ddpm_cosine", DDPMScheduler(beta_schedule="squaredcos_cap_v2", clip_sample=False), 10)
    solver = dict(steps_offset=1, timestep_spacing="leading", **BETAS)
    run("multistep", DPMSolverMultistepScheduler(**solver), 10)
    run("multistep_karras", DPMSolverMultistepScheduler(use_karras_sigmas=True, **solver), 12)
    run("multistep_linspace", DPMSolverMultistepScheduler(timestep_spacing="linspace", **BETAS), 20)
    run("multistep_trailing", DPMSolverMultistepScheduler(timestep_spacing="trailing", **BETAS), 7)
    run("euler", EulerDiscreteScheduler(**solver), 10)
    run("euler_linspace", EulerDiscreteScheduler(timestep_spacing="linspace", **BETAS), 7)
    run("euler_trailing", EulerDiscreteScheduler(timestep_spacing="trailing", **BETAS), 6)
    run("ancestral", EulerAncestralDiscreteScheduler(**solver), 10)
    run("heun", HeunDiscreteScheduler(**solver), 6)
    run("flow", FlowMatchEulerDiscreteScheduler(shift=3.0), None, sigmas=np.linspace(1, 1 / 10, 10))
    run("flow_dynamic", FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True), None,
        sigmas=np.linspace(1, 1 / 12, 12), mu=0.5 + (1.15 - 0.5) / (4096 - 256) * (1024 - 256))
