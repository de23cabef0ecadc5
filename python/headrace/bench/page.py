"""A page of text as it is on the web: it shrinks about 4:1, and no two lines are the same."""

import random

WORDS = 1500
CONSONANTS, VOWELS = "bdklmrst", "aeiou"


def page(size: int) -> bytes:
    """`size` bytes of HTML, always the same.

    Words come by Zipf's law, as in languages; markup and links repeat, numbers and dates hardly do.
    """
    chance = random.Random(1)  # noqa: S311 - nothing is kept secret by it
    syllables = [consonant + vowel for consonant in CONSONANTS for vowel in VOWELS]
    words = ["".join(chance.choices(syllables, k=chance.choice((1, 2, 2, 3, 4)))) for _ in range(WORDS)]
    weights = [1 / rank for rank in range(1, WORDS + 1)]
    lines = ['<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Posts</title></head><body><main>']
    length = 0
    while length < size:
        number = chance.randrange(100_000)
        text = " ".join(chance.choices(words, weights, k=chance.randrange(20, 90)))
        date = f"2026-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"
        lines.append(
            f'<article class="post" id="post-{number}"><h2><a href="/posts/{number}">{text[:40].title()}</a></h2>'
            f'<p class="byline">Written on <time datetime="{date}">{date}</time></p><p>{text}.</p></article>'
        )
        length += len(lines[-1])
    return "\n".join(lines).encode()[:size]
