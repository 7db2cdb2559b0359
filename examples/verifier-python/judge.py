"""judge.py: prefers pictures that need many bytes as a JPEG, or few.
  score = thousands of bytes of the picture as a JPEG; minus that for prefer = "simplicity"
Source: Black et al., "Training Diffusion Models with Reinforcement Learning", ICLR 2024 (incompressibility and
compressibility); the encoder is Pillow's.
  [[verifier]]
  plugin = "org.example.jpeg_size"
  prefer = "detail"      # or "simplicity"
"""
import io

from PIL import Image

from winnow_sdk import verifier


def jpeg_bytes(image, quality):
    """image: [C, H, W] in [0, 1]"""
    pixels = (image * 255).round().astype("uint8")
    if len(pixels) not in (1, 3):
        raise ValueError(f"a picture of {len(pixels)} channels, expected 1 (grey) or 3 (red, green, blue)")
    file = io.BytesIO()
    Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)).save(file, "JPEG", quality=quality)
    return file.tell()


@verifier
def score(images, conditions, *, quality: int = 95, prefer: str = "detail"):
    sign = 1 if prefer == "detail" else -1
    return [sign * jpeg_bytes(image, quality) / 1000 for image in images]
