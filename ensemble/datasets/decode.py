"""The only door to PIL: the bytes of an image file become uint8 pixels."""

import io
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ensemble.errors import BadInput

MAX_PIXELS = 64 * 10**6  # a small file may claim any size; this many pixels take 192 MB
FORMATS = ("JPEG", "PNG", "PPM", "BMP", "GIF", "TIFF", "WEBP")
_GREY = {"1", "L", "LA", "La", "I"}


@dataclass(frozen=True)
class Decoded:
    """One image.

    pixels: uint8 (H, W, 3). kind: "RGB", "grey", "palette", "alpha", "CMYK", "16-bit" or another mode's name,
    as the file had it. grey: the file held no colour. original: (H, W) in the file.
    """

    pixels: np.ndarray
    kind: str
    grey: bool
    original: tuple[int, int]


def decode(data: bytes, where: str, size: int | None = None) -> Decoded:
    """Decode an image; with `size`, make its shorter side that long and cut out the centre, (size, size).

    Grey is repeated over three channels, alpha dropped, 16 bits cut to their high 8, of an animation the first
    frame taken; EXIF rotation is not applied (torchvision's loader does the same). Resizing is PIL's bilinear
    filter with antialiasing, as torchvision's Resize and CenterCrop do it. Raises `BadInput` naming `where` for
    an empty, truncated or broken file, and for one of more than 64 million pixels.
    """
    if not data:
        raise BadInput(f"{where}: expected an image, found 0 bytes; replace or remove it.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise Image.DecompressionBombError(f"{image.width} x {image.height}")
                return _pixels(image, size)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadInput(
            f"{where}: claims more pixels than the {MAX_PIXELS:,} that are read ({error}); replace or remove it."
        ) from error
    except Image.UnidentifiedImageError as error:
        raise BadInput(
            f"{where}: expected an image ({', '.join(FORMATS)}), found something else "
            f"in {len(data):,} bytes; replace or remove it."
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # on broken files PIL raises OSError, SyntaxError, ValueError, struct.error and more
        raise BadInput(f"{where}: is broken or truncated, {str(error).rstrip('.')}; replace or remove it.") from error


def _pixels(image: Image.Image, size: int | None) -> Decoded:
    kind, grey = _kind(image)
    original = image.height, image.width
    rgb = _rgb(image)
    if size is not None:
        rgb = _fit(rgb, size)
    return Decoded(np.asarray(rgb), kind, grey, original)


def _kind(image: Image.Image) -> tuple[str, bool]:
    mode = image.mode
    grey = mode in _GREY or mode.startswith("I;16")
    sixteen = mode.startswith("I") or any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))
    if image.format in ("GIF", "WEBP", "PNG", "TIFF") and getattr(image, "n_frames", 1) > 1:
        return "animated", grey
    if sixteen:
        return "16-bit", grey
    if mode in ("LA", "La", "RGBA", "RGBa", "PA") or (mode != "P" and "transparency" in image.info):
        return "alpha", grey
    return {"1": "grey", "L": "grey", "P": "palette"}.get(mode, mode), grey


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        image.load()
        return image
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers, whose range nobody tells")
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.size and (values.min() < 0 or values.max() > 65535):
            raise ValueError("its pixels lie outside of 0..65535")
        image = Image.fromarray((values.astype(np.uint16) >> 8).astype(np.uint8))
    return image.convert("RGB")


def _fit(image: Image.Image, size: int) -> Image.Image:
    w, h = image.size
    new = (size, int(size * h / w)) if w <= h else (int(size * w / h), size)
    if new[0] * new[1] > MAX_PIXELS:
        raise Image.DecompressionBombError(f"{new[0]} x {new[1]} when its shorter side is {size}")
    image = image.resize(new, Image.Resampling.BILINEAR)
    left, top = round((new[0] - size) / 2.0), round((new[1] - size) / 2.0)
    return image.crop((left, top, left + size, top + size))
