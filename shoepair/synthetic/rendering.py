"""Rendering of surfaces on a floor: light, camera, shading, shadow and depth buffer.

A shoe is a list of surface patches: grids of points in shoe lengths, x across, y from heel to toe, z up.
Every point is coloured, lit by its normal and written into a depth buffer of twice the photo's edge, which is then
averaged 2 x 2. No polygon is filled: libraries that fill polygons may round differently between processors.

Letters: A x B points of a patch, N points, E edge of the photo. Colours are 0..1, red, green, blue first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shoepair.synthetic.primitives import (
    PHOTO_EDGE,
    TEXTURE_EDGE,
    Colour,
    Floats,
    Mask,
    blur_mask,
    colour_array,
    downsample_by_two,
    smoothstep,
)

BUFFER_EDGE = 2 * PHOTO_EDGE  # edge of the depth buffer
MAX_SHADOW_LENGTH = 0.75  # per height; a longer shadow would leave the photo


@dataclass(frozen=True)
class Light:
    """One lamp and ambient light."""

    direction: Colour  # unit vector from the floor to the lamp: right, towards the viewer, up
    colour: Colour  # of the light, about 1
    ambient_share: float  # 0..1
    brightness_slopes: tuple[float, float]  # change of brightness from left to right and from top to bottom
    vignette: float  # how much darker the corners are, 0..1

    def brightness_map(self) -> Floats:
        """Return the brightness factor of every photo pixel: (E, E), slope and vignette."""
        x = ((np.arange(PHOTO_EDGE) * 2 + 1 - PHOTO_EDGE) / PHOTO_EDGE).astype(np.float32)
        y = x[:, None]
        slope = 1 + self.brightness_slopes[0] * x + self.brightness_slopes[1] * y
        return slope * (1 - self.vignette * (x * x + y * y) / 2)


@dataclass(frozen=True)
class Camera:
    """The view of one photo: orientation, scale, position and colour balance."""

    heading: tuple[float, float]  # cosine and sine of the angle between the shoe's axis and the vertical of the photo
    tilt: tuple[float, float]  # cosine and sine of the angle between the view and the plumb line
    scale: float  # photo pixels per shoe length
    shoe_centre: tuple[float, float]  # of the shoe in the photo, pixels
    floor_rotation: tuple[float, float]  # cosine and sine of the floor's angle
    floor_shift: tuple[float, float]  # pixels
    channel_gains: Colour  # brightness of red, green and blue

    def shoe_to_floor(self, shoe_points: Floats) -> Floats:
        """Convert shoe to floor coordinates: (3, ...), right, towards the viewer, up; toe to the lower left."""
        cos, sin = self.heading
        x, y, z = shoe_points.astype(np.float32)
        y = y - 0.5
        return np.stack([-x * cos - y * sin, y * cos - x * sin, z])

    def floor_to_photo(self, floor_points: Floats) -> tuple[Floats, Floats]:
        """Project floor coordinates to photo pixels: x and y, (...) each. Higher points are higher in the photo."""
        cos, sin = self.tilt
        x, y, z = floor_points
        return self.shoe_centre[0] + self.scale * x, self.shoe_centre[1] + self.scale * (y * cos - z * sin)

    def nearness(self, floor_points: Floats) -> Floats:
        """Return how near points are to the camera, in shoe lengths; larger is nearer."""
        cos, sin = self.tilt
        return np.asarray(floor_points[2] * cos + floor_points[1] * sin)


@dataclass(frozen=True)
class SurfacePatch:
    """A coloured part of a shoe's surface."""

    points: Floats  # (3, A, B), shoe lengths
    colour: Floats  # (3, A, B)
    gloss: float = 0.0  # strength of the highlight, 0 suede to 1 patent leather
    visible: Mask | None = None  # (A, B), the points to render; None: all of them


def surface_normals(points: Floats, view_direction: Colour) -> Floats:
    """Return the unit normals of a surface patch that face the viewer: (3, A, B) to (3, A, B)."""
    padded = np.pad(points, ((0, 0), (1, 1), (1, 1)), mode="edge")  # so that border points have neighbours
    a, b = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1], padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    x, y, z = a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]
    length = np.sqrt(x * x + y * y + z * z) + 1e-12
    towards_viewer = x * view_direction[0] + y * view_direction[1] + z * view_direction[2]
    sign = np.where(towards_viewer < 0, np.float32(-1), np.float32(1))
    return np.asarray(np.stack([x, y, z]) * (sign / length))


def shade_patch(patch: SurfacePatch, floor_points: Floats, light: Light, camera: Camera) -> Floats:
    """Return the lit colours of a surface patch at `floor_points`: (3, A, B), diffuse, ambient and specular."""
    view = (0.0, camera.tilt[1], camera.tilt[0])
    nx, ny, nz = surface_normals(floor_points, view)
    lx, ly, lz = light.direction
    diffuse = np.maximum(nx * lx + ny * ly + nz * lz, 0.0)
    hx, hy, hz = lx, ly + view[1], lz + view[2]
    length = np.sqrt(hx * hx + hy * hy + hz * hz)
    specular = np.maximum((nx * hx + ny * hy + nz * hz) / length, 0.0)
    for _ in range(4):  # to the power 16, by squaring
        specular = specular * specular
    occlusion = 0.72 + 0.28 * smoothstep(0.0, 0.12, floor_points[2])  # less light near the floor
    bright = (light.ambient_share * (0.75 + 0.25 * nz) + 1.05 * (1 - light.ambient_share) * diffuse) * occlusion
    return np.asarray(patch.colour.astype(np.float32) * bright + patch.gloss * (0.5 * specular + 0.05))


class DepthBuffer:
    """A depth buffer (z-buffer) at twice the photo's edge."""

    def __init__(self) -> None:
        self.depth_keys = np.zeros(BUFFER_EDGE * BUFFER_EDGE, dtype=np.int64)  # upper bits nearness, lower ones point
        self.point_colours: list[Floats] = []  # (3, N) of every patch
        self.next_point = 1  # 0: empty pixel

    def splat_points(self, x: Floats, y: Floats, nearness: Floats, colours: Floats) -> None:
        """Write points at photo pixels x, y into 2 x 2 pixels of the buffer each; nearer points hide farther ones."""
        i, j = np.floor(x * 2).astype(np.int64), np.floor(y * 2).astype(np.int64)
        number = self.next_point + np.arange(x.size)
        near = np.floor((nearness + 8) * 65536).astype(np.int64) << 32
        inside = (i >= 0) & (i < BUFFER_EDGE - 1) & (j >= 0) & (j < BUFFER_EDGE - 1)
        position, key = (j * BUFFER_EDGE + i)[inside], (near | number)[inside]
        for step in (0, 1, BUFFER_EDGE, BUFFER_EDGE + 1):
            np.maximum.at(self.depth_keys, position + step, key)
        self.point_colours.append(colours)
        self.next_point += x.size

    def to_image_and_coverage(self) -> tuple[Floats, Floats]:
        """Average 2 x 2 pixels; returns premultiplied colours (3, E, E) and coverage (E, E)."""
        key = self.depth_keys.reshape(BUFFER_EDGE, BUFFER_EDGE)
        for lines in (key.T, key):  # views: fills gaps of one pixel, which steep surfaces leave along x and y
            np.maximum(lines[1:-1], np.minimum(lines[:-2], lines[2:]), out=lines[1:-1])
        palette = np.concatenate([np.zeros((3, 1), dtype=np.float32), *self.point_colours], axis=1)
        number = self.depth_keys & 0xFFFFFFFF
        filled = np.flatnonzero(number)
        colour = np.zeros((4, BUFFER_EDGE * BUFFER_EDGE), dtype=np.float32)  # red, green, blue, coverage
        colour[:3, filled] = palette.take(number[filled], 1)
        colour[3, filled] = 1
        mean = downsample_by_two(colour.reshape(4, BUFFER_EDGE, BUFFER_EDGE))  # (4, E, E)
        return mean[:3], mean[3]


def shadow_map(floor_points: Sequence[Floats], light: Light, camera: Camera) -> Floats:
    """Return how much light the shoe keeps from each floor pixel: (3, N) points of each patch to (E, E), 0..1.

    It has a soft cast shadow and a narrow contact shadow at the sole.
    """
    length = np.minimum(1.0, MAX_SHADOW_LENGTH * light.direction[2])
    cast, contact = np.zeros((2, PHOTO_EDGE, PHOTO_EDGE), dtype=np.bool_)
    for x, y, z in floor_points:
        offset = z * (length / light.direction[2])
        shifted = np.stack([x - offset * light.direction[0], y - offset * light.direction[1], np.zeros_like(z)])
        for mask, points in ((cast, shifted), (contact, np.stack([x, y, np.zeros_like(z)])[:, z < 0.12])):
            i, j = (np.floor(value).astype(np.int64) for value in camera.floor_to_photo(points))
            inside = (i >= 0) & (i < PHOTO_EDGE) & (j >= 0) & (j < PHOTO_EDGE)
            mask[j[inside], i[inside]] = True
    return 0.75 * (1 - light.ambient_share) * blur_mask(cast, 4) + 0.45 * blur_mask(contact, 2)


def render_floor_as_floats(texture: Floats, camera: Camera) -> Floats:
    """Render the floor as the camera sees it: (3, T, T) texture to (3, E, E), bilinear."""
    x = np.arange(PHOTO_EDGE, dtype=np.float32) - PHOTO_EDGE / 2
    y = x[:, None] / camera.tilt[0]
    cos, sin = camera.floor_rotation
    u = np.clip(TEXTURE_EDGE / 2 + camera.floor_shift[0] + x * cos - y * sin, 0, TEXTURE_EDGE - 2)
    v = np.clip(TEXTURE_EDGE / 2 + camera.floor_shift[1] + x * sin + y * cos, 0, TEXTURE_EDGE - 2)
    i, j = np.floor(u), np.floor(v)
    s, t = u - i, v - j
    flat, texel = texture.reshape(3, -1), j.astype(np.int64) * TEXTURE_EDGE + i.astype(np.int64)
    upper = flat.take(texel, 1) * (1 - s) + flat.take(texel + 1, 1) * s
    lower = flat.take(texel + TEXTURE_EDGE, 1) * (1 - s) + flat.take(texel + TEXTURE_EDGE + 1, 1) * s
    return np.asarray(upper * (1 - t) + lower * t)


def render_photo_as_floats(
    patches: Sequence[SurfacePatch], floor_texture: Floats, light: Light, camera: Camera
) -> Floats:
    """Render a photo of a shoe on a floor, without noise: (3, E, E) floats in 0..255, not rounded or clipped."""
    buffer, shadow_points = DepthBuffer(), []
    for patch in patches:
        floor = camera.shoe_to_floor(patch.points)
        colour = shade_patch(patch, floor, light, camera)
        x, y = camera.floor_to_photo(floor)
        visible = np.ones(x.shape, dtype=np.bool_) if patch.visible is None else patch.visible
        buffer.splat_points(x[visible], y[visible], camera.nearness(floor)[visible], colour[:, visible])
        shadow_points.append(floor[:, ::2, ::2][:, visible[::2, ::2]])  # half the resolution is enough
    shoe, coverage = buffer.to_image_and_coverage()
    ground = render_floor_as_floats(floor_texture, camera) * (1 - shadow_map(shadow_points, light, camera))
    lamp = light.colour
    tone = (lamp[0] * camera.channel_gains[0], lamp[1] * camera.channel_gains[1], lamp[2] * camera.channel_gains[2])
    return (ground * (1 - coverage) + shoe) * light.brightness_map() * (255 * colour_array(tone))
