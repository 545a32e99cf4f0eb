"""The only door to PIL: the bytes of an image file become uint8 pixels."""

import io
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps, features

from ensemble.errors import BadInput

MAX_PIXELS = 64 * 10**6  # a small file may claim any size; this many pixels take 192 MB
ORIENTATION = 0x0112  # of EXIF
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


def decode(data: bytes, where: str, size: int | tuple[int, int] | None = None) -> Decoded:
    """Decode an image; with `size`, make its shorter side that long and cut out the centre, (size, size).

    A pair is height and width: the image is made as large as it takes to cover them, and the centre cut out.

    Grey is repeated over three channels, alpha dropped, 16 bits cut to their high 8, of an animation the first
    frame taken; and the image turned as its EXIF data say. Resizing is PIL's bilinear
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


def fitted(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return uint8 (H, W, 3) resized and cut to height and width `size`, as `decode` does it."""
    return np.asarray(_fit(Image.fromarray(pixels), size))


def to_grey(pixels: np.ndarray) -> np.ndarray:
    """Return uint8 (H, W, 1) of uint8 (H, W, 3): PIL's luma, ITU-R 601; of a grey image its own values."""
    weighted = pixels.astype(np.uint32) @ np.array([19595, 38470, 7471], dtype=np.uint32)
    return ((weighted + 0x8000) >> 16).astype(np.uint8)[..., None]


def _pixels(image: Image.Image, size: int | tuple[int, int] | None) -> Decoded:
    kind, grey = _kind(image)
    rgb = ImageOps.exif_transpose(_rgb(image)) if image.getexif().get(ORIENTATION, 1) != 1 else _rgb(image)
    original = rgb.height, rgb.width
    if size is not None:
        rgb = _fit(rgb, size if isinstance(size, tuple) else (size, size))
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


def _fit(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    (w, h), (height, width) = image.size, size
    # Which side decides: width / w >= height / h, in whole numbers.
    new = (width, max(height, int(width * h / w))) if width * h >= height * w else (int(height * w / h), height)
    if new[0] * new[1] > MAX_PIXELS:
        raise Image.DecompressionBombError(f"{new[0]} x {new[1]} when it is made to cover {width} x {height}")
    image = image.resize(new, Image.Resampling.BILINEAR)
    left, top = round((new[0] - width) / 2.0), round((new[1] - height) / 2.0)
    return image.crop((left, top, left + width, top + height))


def encode(pixels: np.ndarray, most: int | None = None) -> tuple[str, bytes]:
    """Return an image as the MIME type and the bytes of a file, for a page that carries its images itself.

    pixels: uint8 (H, W, 1 or 3). With `most` a small file is made, at most so many pixels high and wide: PNG up to 32
    pixels a side, where it is the smallest; WebP above, or JPEG where this PIL has no WebP. Without it a PNG, in which
    nothing is lost.
    """
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    if most is not None:
        image.thumbnail((most, most), Image.Resampling.LANCZOS)
    settings: dict[str, dict[str, int | bool]] = {
        "PNG": {"optimize": True}, "WEBP": {"quality": 70, "method": 4}, "JPEG": {"quality": 72, "optimize": True},
    }  # fmt: skip
    exact = most is None or max(image.size) <= 32
    kind = "PNG" if exact else "WEBP" if features.check("webp") else "JPEG"
    file = io.BytesIO()
    image.save(file, kind, **settings[kind])
    return f"image/{kind.lower()}", file.getvalue()
