"""The scheduler of a diffusers pipeline as the [schedule] of a bundle (docs/bundles.md)."""
import math

SOLVERS = {
    "DDIMScheduler": "ddim", "DDPMScheduler": "ddpm", "DPMSolverMultistepScheduler": "dpmpp_2m",
    "EulerDiscreteScheduler": "euler", "EulerAncestralDiscreteScheduler": "euler_ancestral",
    "HeunDiscreteScheduler": "heun", "PNDMScheduler": "pndm", "FlowMatchEulerDiscreteScheduler": "euler"}
PREDICTIONS = {"epsilon": "epsilon", "v_prediction": "v", "sample": "sample"}
BETAS = {"linear": "linear", "scaled_linear": "scaled_linear", "squaredcos_cap_v2": "cosine"}
# What each of them must be, where a scheduler has it at all.
DISCRETE = dict(trained_betas=None, thresholding=False, use_exponential_sigmas=False, use_beta_sigmas=False,
                use_flow_sigmas=False, use_lu_lambdas=False, interpolation_type="linear",
                timestep_type="discrete", final_sigmas_type="zero", sigma_min=None, sigma_max=None)
MULTISTEP = dict(algorithm_type="dpmsolver++", solver_order=2, solver_type="midpoint", lower_order_final=True,
                 euler_at_final=False, lambda_min_clipped=-math.inf, variance_type=None)
PNDM = dict(skip_prk_steps=True, timestep_spacing="leading", prediction_type="epsilon")
FLOW = dict(invert_sigmas=False, use_karras_sigmas=False, use_exponential_sigmas=False, use_beta_sigmas=False,
            stochastic_sampling=False)


class Unsupported(Exception):
    """Text: what was found, what was expected."""


def require(name, config, expected):
    for key, value in expected.items():
        if key in config and config[key] != value:
            raise Unsupported(f"{name} has {key} = {config[key]!r}, expected {value!r}")


def flow(name, config, tokens):
    require(name, config, FLOW)
    shift, out = config["shift"], dict(kind="flow")
    if config.get("shift_terminal"):
        out["terminal"] = float(config["shift_terminal"])
    if not config["use_dynamic_shifting"]:
        low = 1 / config["num_train_timesteps"]
        low = shift * low / (1 + (shift - 1) * low)  # as the scheduler does, once here and once later
        return dict(out, shift=shift, last=low)
    if config.get("time_shift_type", "exponential") != "exponential":
        raise Unsupported(f"{name} has time_shift_type = {config['time_shift_type']!r}, expected 'exponential'")
    slope = (config["max_shift"] - config["base_shift"]) / (config["max_image_seq_len"] - config["base_image_seq_len"])
    mu = config["base_shift"] + slope * (tokens - config["base_image_seq_len"])
    return dict(out, shift=math.exp(mu), last=0.0)


def discrete(name, config):
    require(name, config, DISCRETE)
    multistep = name == "DPMSolverMultistepScheduler"
    if multistep:
        require(name, config, MULTISTEP)
    elif config.get("use_karras_sigmas"):
        raise Unsupported(f"{name} has use_karras_sigmas = True, expected it of DPMSolverMultistepScheduler only")
    if name == "PNDMScheduler":
        require(name, config, PNDM)
    if name == "DDPMScheduler":
        require(name, config, dict(variance_type="fixed_small"))
    clip = bool(config.get("clip_sample")) and name in ("DDIMScheduler", "DDPMScheduler", "HeunDiscreteScheduler")
    if clip and name != "DDPMScheduler":
        raise Unsupported(f"{name} has clip_sample = True, expected it of DDPMScheduler only")
    if config["beta_schedule"] not in BETAS:
        raise Unsupported(f"{name} has beta_schedule = {config['beta_schedule']!r}, expected one of {', '.join(BETAS)}")
    out = dict(kind="discrete", betas=BETAS[config["beta_schedule"]], beta_start=float(config["beta_start"]),
               beta_end=float(config["beta_end"]), train_steps=config["num_train_timesteps"],
               spacing=config["timestep_spacing"], offset=config.get("steps_offset", 0),
               zero_terminal_snr=bool(config.get("rescale_betas_zero_snr")),
               to_data=bool(config.get("set_alpha_to_one", True)), karras=bool(config.get("use_karras_sigmas")))
    if clip:
        out["clip"] = float(config["clip_sample_range"])
    return out


def schedule_of(scheduler, tokens):
    """(prediction, [schedule]). tokens: of one picture, for shifts that depend on it."""
    name, config = type(scheduler).__name__, dict(scheduler.config)
    if name not in SOLVERS:
        raise Unsupported(f"the scheduler is a {name}, expected one of {', '.join(SOLVERS)}")
    if name.startswith("FlowMatch"):
        prediction, table = "flow", flow(name, config, tokens)
    else:
        if config["prediction_type"] not in PREDICTIONS:
            raise Unsupported(f"{name} has prediction_type = {config['prediction_type']!r}, "
                              f"expected one of {', '.join(PREDICTIONS)}")
        prediction, table = PREDICTIONS[config["prediction_type"]], discrete(name, config)
    return prediction, dict(table, solver=SOLVERS[name])
