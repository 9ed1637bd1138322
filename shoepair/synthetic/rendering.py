"""Photos of solid surfaces on a floor: light, camera, shading, shadow, and a depth buffer.

A shoe is a handful of patches: grids of points in shoe lengths, x across, y from heel to toe, z up from the floor.
Every point is coloured, lit by its normal and written into a depth buffer of twice the photo's edge, which is then
averaged 2 x 2. No polygon is ever filled: the fillers of the libraries may round differently between processors.

Letters: A x B points of a patch, N points, E edge of the photo. Colours are 0..1, red, green, blue first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shoepair.synthetic.primitives import EDGE, TEXTURE, Colour, Floats, Mask, blur, flat, halve, smooth

FINE = 2 * EDGE  # edge of the depth buffer
REACH = 0.75  # of a shadow: floor lengths per height; light from lower than that would draw it out of the photo


@dataclass(frozen=True)
class Light:
    """One lamp and the room's own light."""

    towards: Colour  # unit vector from the floor to the lamp: right, towards the viewer, up
    colour: Colour  # of the light, about 1
    ambient: float  # share of the light that comes from everywhere, 0..1
    fall: tuple[float, float]  # change of brightness from the left to the right and from the top to the bottom edge
    vignette: float  # how much darker the corners are, 0..1

    def field(self) -> Floats:
        """Brightness over the photo: (E, E)."""
        x = ((np.arange(EDGE) * 2 + 1 - EDGE) / EDGE).astype(np.float32)
        y = x[:, None]
        slope = 1 + self.fall[0] * x + self.fall[1] * y
        return slope * (1 - self.vignette * (x * x + y * y) / 2)


@dataclass(frozen=True)
class Camera:
    """Where the photo is taken from."""

    heading: tuple[float, float]  # cosine and sine of the angle between the shoe's axis and the vertical of the photo
    tilt: tuple[float, float]  # cosine and sine of the angle between the view and the plumb line
    scale: float  # photo pixels per shoe length
    centre: tuple[float, float]  # of the shoe in the photo, pixels
    turn: tuple[float, float]  # cosine and sine of the floor's turn
    shift: tuple[float, float]  # of the floor, pixels
    gain: Colour  # brightness of this photo's red, green and blue

    def stand(self, points: Floats) -> Floats:
        """Shoe to floor: (3, ...) shoe lengths to right, towards the viewer, up. The toe points to the lower left."""
        cos, sin = self.heading
        x, y, z = points.astype(np.float32)
        y = y - 0.5
        return np.stack([-x * cos - y * sin, y * cos - x * sin, z])

    def project(self, floor: Floats) -> tuple[Floats, Floats]:
        """Floor to photo pixels, x and y: (...) each. What is higher stands higher in the photo."""
        cos, sin = self.tilt
        x, y, z = floor
        return self.centre[0] + self.scale * x, self.centre[1] + self.scale * (y * cos - z * sin)

    def depth(self, floor: Floats) -> Floats:
        """How near a point is to the camera, in shoe lengths."""
        cos, sin = self.tilt
        return np.asarray(floor[2] * cos + floor[1] * sin)


@dataclass(frozen=True)
class Patch:
    """A coloured piece of surface."""

    points: Floats  # (3, A, B), shoe lengths
    colour: Floats  # (3, A, B)
    gloss: float = 0.0  # strength of the highlight, 0 suede to 1 patent leather
    shown: Mask | None = None  # (A, B), the points that exist; all of them if left out


def normals(points: Floats, view: Colour) -> Floats:
    """Unit normals of a patch that look at the viewer: (3, A, B) to (3, A, B)."""
    wide = np.pad(points, ((0, 0), (1, 1), (1, 1)), mode="edge")  # so that the ends too have neighbours
    a, b = wide[:, 2:, 1:-1] - wide[:, :-2, 1:-1], wide[:, 1:-1, 2:] - wide[:, 1:-1, :-2]
    x, y, z = a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]
    length = np.sqrt(x * x + y * y + z * z) + 1e-12
    facing = np.where(x * view[0] + y * view[1] + z * view[2] < 0, np.float32(-1), np.float32(1))
    return np.asarray(np.stack([x, y, z]) * (facing / length))


def shade(patch: Patch, floor: Floats, light: Light, camera: Camera) -> Floats:
    """Lit colours of a patch that stands on the floor at `floor`: (3, A, B)."""
    view = (0.0, camera.tilt[1], camera.tilt[0])
    nx, ny, nz = normals(floor, view)
    lx, ly, lz = light.towards
    diffuse = np.maximum(nx * lx + ny * ly + nz * lz, 0.0)
    hx, hy, hz = lx, ly + view[1], lz + view[2]
    length = np.sqrt(hx * hx + hy * hy + hz * hz)
    mirror = np.maximum((nx * hx + ny * hy + nz * hz) / length, 0.0)
    for _ in range(4):  # to the power 16, by squaring
        mirror = mirror * mirror
    ground = 0.72 + 0.28 * smooth(0.0, 0.12, floor[2])  # little light gets between shoe and floor
    bright = (light.ambient * (0.75 + 0.25 * nz) + 1.05 * (1 - light.ambient) * diffuse) * ground
    return np.asarray(patch.colour.astype(np.float32) * bright + patch.gloss * (0.5 * mirror + 0.05))


class Canvas:
    """A depth buffer at twice the photo's edge."""

    def __init__(self) -> None:
        self.key = np.zeros(FINE * FINE, dtype=np.int64)  # depth in the upper bits, number of the point below
        self.colours: list[Floats] = []  # (3, N) of every patch
        self.count = 1  # 0 is the empty pixel

    def splat(self, x: Floats, y: Floats, depth: Floats, colour: Floats) -> None:
        """Write points at photo pixels x, y, the nearest one last; each on 2 x 2 fine pixels, to leave few holes."""
        i, j = np.floor(x * 2).astype(np.int64), np.floor(y * 2).astype(np.int64)
        number = self.count + np.arange(x.size)
        near = np.floor((depth + 8) * 65536).astype(np.int64) << 32
        inside = (i >= 0) & (i < FINE - 1) & (j >= 0) & (j < FINE - 1)
        place, key = (j * FINE + i)[inside], (near | number)[inside]
        for step in (0, 1, FINE, FINE + 1):
            np.maximum.at(self.key, place + step, key)
        self.colours.append(colour)
        self.count += x.size

    def picture(self) -> tuple[Floats, Floats]:
        """Colours, already weighted by their cover, and cover: (3, E, E) and (E, E)."""
        key = self.key.reshape(FINE, FINE)
        for lines in (
            key.T,
            key,
        ):  # views; steep surfaces leave gaps of one fine pixel along x and y: nearer ones fill
            np.maximum(lines[1:-1], np.minimum(lines[:-2], lines[2:]), out=lines[1:-1])
        palette = np.concatenate([np.zeros((3, 1), dtype=np.float32), *self.colours], axis=1)
        number = self.key & 0xFFFFFFFF
        full = np.flatnonzero(number)
        colour = np.zeros((4, FINE * FINE), dtype=np.float32)  # red, green, blue, cover
        colour[:3, full] = palette.take(number[full], 1)
        colour[3, full] = 1
        mean = halve(colour.reshape(4, FINE, FINE))  # (4, E, E)
        return mean[:3], mean[3]


def shadow(floors: Sequence[Floats], light: Light, camera: Camera) -> Floats:
    """How much light the shoe keeps from the floor: (3, N) points of each patch there to (E, E), 0..1.

    A soft cast shadow and a narrow one at the sole.
    """
    reach = np.minimum(1.0, REACH * light.towards[2])
    cast, contact = np.zeros((2, EDGE, EDGE), dtype=np.bool_)
    for x, y, z in floors:
        away = z * (reach / light.towards[2])
        thrown = np.stack([x - away * light.towards[0], y - away * light.towards[1], np.zeros_like(z)])
        for mask, points in ((cast, thrown), (contact, np.stack([x, y, np.zeros_like(z)])[:, z < 0.12])):
            i, j = (np.floor(value).astype(np.int64) for value in camera.project(points))
            inside = (i >= 0) & (i < EDGE) & (j >= 0) & (j < EDGE)
            mask[j[inside], i[inside]] = True
    return 0.75 * (1 - light.ambient) * blur(cast, 4) + 0.45 * blur(contact, 2)


def look(texture: Floats, camera: Camera) -> Floats:
    """The floor as the camera sees it: (3, T, T) texture to (3, E, E), bilinear."""
    x = np.arange(EDGE, dtype=np.float32) - EDGE / 2
    y = x[:, None] / camera.tilt[0]
    cos, sin = camera.turn
    u = np.clip(TEXTURE / 2 + camera.shift[0] + x * cos - y * sin, 0, TEXTURE - 2)
    v = np.clip(TEXTURE / 2 + camera.shift[1] + x * sin + y * cos, 0, TEXTURE - 2)
    i, j = np.floor(u), np.floor(v)
    s, t = u - i, v - j
    flat, place = texture.reshape(3, -1), j.astype(np.int64) * TEXTURE + i.astype(np.int64)
    upper = flat.take(place, 1) * (1 - s) + flat.take(place + 1, 1) * s
    lower = flat.take(place + TEXTURE, 1) * (1 - s) + flat.take(place + TEXTURE + 1, 1) * s
    return np.asarray(upper * (1 - t) + lower * t)


def render(patches: Sequence[Patch], texture: Floats, light: Light, camera: Camera) -> Floats:
    """A photo without noise: (3, E, E) bytes as floats, not yet rounded or clipped."""
    canvas, standing = Canvas(), []
    for patch in patches:
        floor = camera.stand(patch.points)
        colour = shade(patch, floor, light, camera)
        x, y = camera.project(floor)
        shown = np.ones(x.shape, dtype=np.bool_) if patch.shown is None else patch.shown
        canvas.splat(x[shown], y[shown], camera.depth(floor)[shown], colour[:, shown])
        standing.append(floor[:, ::2, ::2][:, shown[::2, ::2]])  # the shadow is drawn at half the resolution
    shoe, cover = canvas.picture()
    ground = look(texture, camera) * (1 - shadow(standing, light, camera))
    lamp = light.colour
    tone = (lamp[0] * camera.gain[0], lamp[1] * camera.gain[1], lamp[2] * camera.gain[2])
    return (ground * (1 - cover) + shoe) * light.field() * (255 * flat(tone))
