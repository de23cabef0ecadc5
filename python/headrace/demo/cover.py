"""A cover for each post, drawn from its slug: water in layers under a mill wheel. The same slug, the same picture."""

from hashlib import sha256
from math import cos, pi, sin

WIDTH, HEIGHT = 800, 420
STEP = 20  # horizontal distance of the points of a wave


def cover(slug: str) -> str:
    """The SVG for `slug`.

    Example: `cover("hello").startswith("<svg ")`.
    """
    seed = sha256(slug.encode()).digest()
    hue = 160 + seed[0] * 60 // 255  # from green to blue
    layers = [_wave(seed, number, hue) for number in range(4)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="xMidYMid slice">'
        f'<defs><linearGradient id="sky" x2="0" y2="1"><stop stop-color="hsl({hue} 45% 88%)"/>'
        f'<stop offset="1" stop-color="hsl({30 + seed[1] % 25} 75% 88%)"/></linearGradient></defs>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="url(#sky)"/>'
        f'<circle cx="{80 + seed[5] * 2}" cy="{70 + seed[6] % 50}" r="{26 + seed[7] % 22}" fill="hsl(38 90% 72%)"/>'
        f"{_hills(seed, hue)}{layers[0]}{_wheel(seed, hue)}{''.join(layers[1:])}</svg>"
    )


def _wave(seed: bytes, number: int, hue: int) -> str:
    """One layer of water; the nearer (the higher its number), the lower and darker."""
    level, phase = 255 + 42 * number, seed[8 + number] / 255 * 2 * pi
    swell, length = 7 + seed[12 + number] % 9, 130 + seed[16 + number]
    points = (f"{x},{level + swell * sin(2 * pi * x / length + phase):.1f}" for x in range(0, WIDTH + STEP, STEP))
    path = f"M0,{HEIGHT} L{' L'.join(points)} L{WIDTH},{HEIGHT} Z"
    return f'<path d="{path}" fill="hsl({hue + 6 * number} {52 + 4 * number}% {58 - 11 * number}%)"/>'


def _hills(seed: bytes, hue: int) -> str:
    peaks = [(x, 225 - seed[20 + number] % 90) for number, x in enumerate(range(-60, WIDTH + 330, 170))]
    curve = " ".join(f"S{x - 70},{y} {x},{y}" for x, y in peaks)
    return f'<path d="M-80,{HEIGHT} {curve} L{WIDTH + 330},{HEIGHT} Z" fill="hsl({hue - 35} 28% 74%)"/>'


def _wheel(seed: bytes, hue: int) -> str:
    """Rim, hub and spokes; it dips into the nearer layers."""
    x, y, radius, spokes = 420 + seed[2], 225, 78 + seed[3] % 30, 8 + seed[4] % 5
    ends = [
        (x + radius * cos(2 * pi * spoke / spokes), y + radius * sin(2 * pi * spoke / spokes))
        for spoke in range(spokes)
    ]
    lines = "".join(f"M{x},{y} L{end_x:.1f},{end_y:.1f} " for end_x, end_y in ends)
    paddles = "".join(f'<circle cx="{end_x:.1f}" cy="{end_y:.1f}" r="9"/>' for end_x, end_y in ends)
    ink = f"hsl({hue + 15} 40% 24%)"
    return (
        f'<g fill="{ink}" stroke="{ink}"><path d="{lines}" stroke-width="6"/>{paddles}'
        f'<g fill="none" stroke-width="8"><circle cx="{x}" cy="{y}" r="{radius}"/>'
        f'<circle cx="{x}" cy="{y}" r="{radius * 0.62:.1f}" stroke-width="4"/></g>'
        f'<circle cx="{x}" cy="{y}" r="13"/></g>'
    )
