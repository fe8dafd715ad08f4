"""Personal columns: never learnt; every row gets a fake value, none of which training had.

Names, e-mail and street addresses are made by `faker` (extra `tables`) in the language of the training values; all else, and everything
where faker isn't installed, keeps the training values' form, with check digits that are right.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Self

import numpy as np

from .table_columns import Unlearnt, is_missing
from .table_fresh import Fresh
from .table_personal import SAID, Personal, iban_rest, luhn

_MAKERS = {
    "first name": "first_name", "last name": "last_name", "name": "name", "e-mail": "ascii_safe_email", "address": "street_address",
}  # fmt: skip
"""Methods of faker."""
_POOL = 10_000
"""So many different fakes are made at most; further rows choose among them."""
_TRIES = 50
_OTHERS = ("en_US", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pl_PL")
"""Languages that help out where a language's own names were all in the training data."""


class PersonalColumn(Unlearnt):
    """A column of personal values: what it holds, in which language, and how it is spelt."""

    kind = "personal"

    def __init__(self, name: str, found: Personal, style: Sequence[str], fresh: Fresh) -> None:
        """`style`: of "upper", "lower", "last, first" and "with town" those that most training values follow."""
        maker = _MAKERS.get(found.what)
        how = f"fakes as of {found.locale}" if maker and find_spec("faker") else "fresh ones of the same form"
        lacks = " (pip install 'morelike[tables]' makes natural ones)" if maker and not find_spec("faker") else ""
        why = f"{SAID[found.what]}, personal: never learnt, each row gets {how}{lacks}; codec.learn_personal={name} learns it"
        super().__init__(name, why, fresh=fresh)
        self.found, self.style, self._fresh = found, tuple(style), fresh

    @classmethod
    def of(cls, name: str, found: Personal, whole: Sequence[str]) -> Self:
        """From the cells of all rows."""
        filled = [text for text in whole if not is_missing(text)]
        return cls(name, found, _style(filled), Fresh.fit(filled))

    def renewed(self, fresh: Fresh) -> PersonalColumn:
        return PersonalColumn(self.name, self.found, self.style, fresh)

    def decode(self, x: np.ndarray) -> np.ndarray:
        return self.draw(len(x), 0)

    def draw(self, count: int, seed: int) -> np.ndarray:
        """(count,) array of `str`: a function of seed and row, whatever the count."""
        salt = zlib.crc32(f"{self.name} {seed}".encode())
        out = np.empty(count, dtype=object)
        made = self._faked(min(count, _POOL), salt)
        if made is None:
            repair = _REPAIRS.get(self.found.what, str)
            out[:] = [self._free(repair, text) for text in self._fresh.draw(count, salt)]
            return out
        pool = np.empty(len(made), dtype=object)
        pool[:] = made
        rows = np.arange(count)
        rows[_POOL:] = np.random.PCG64([salt, 1]).random_raw(count)[_POOL:] % np.uint64(_POOL)
        out[:] = pool[rows]
        if self.found.what == "e-mail":
            out[_POOL:] = [f"{row}.{text}" for row, text in enumerate(out[_POOL:].tolist(), _POOL)]
        return out

    def _free(self, repair: Callable[[str], str], text: str) -> str:
        """The text with its check digits put right, changed until it is none of the training values."""
        found = repair(text)
        for turn in range(_TRIES):
            if found not in self._fresh:
                break
            found = repair(_turned(text, turn + 1))
        return found

    def _faked(self, count: int, salt: int) -> list[str] | None:
        """That many fakes, each of them none of the training values; None where they aren't made by faker."""
        maker = _MAKERS.get(self.found.what)
        if maker is None or not find_spec("faker"):
            return None
        out: list[str] = []
        used: set[str] = set()
        different = self.found.what == "e-mail"
        left = [self._stream(locale, maker, salt) for locale in (self.found.locale, *_OTHERS)]
        while len(out) < count:
            text = next((made for _ in range(_TRIES) if (made := next(left[0])) not in self._fresh and made not in used), None)
            if text is not None:
                out.append(text)
                used.update([text] if different else ())
            elif len(left) > 1:
                left.pop(0)
            else:
                return out + self._fresh.draw(count, salt)[len(out) :]
        return out

    def _stream(self, locale: str, maker: str, salt: int) -> Iterator[str]:
        """Fakes without end, spelt as the training values are."""
        from faker import Faker

        try:
            fake = Faker(locale)
        except AttributeError:
            # a locale that this version of faker lacks
            fake = Faker("en_US")
        fake.seed_instance(salt)
        while True:
            if "last, first" in self.style:
                text = f"{fake.last_name()}, {fake.first_name()}"
            elif maker == "name":
                # without titles, which few columns have
                text = f"{fake.first_name()} {fake.last_name()}"
            elif "with town" in self.style:
                text = ", ".join(str(fake.address()).splitlines())
            else:
                text = str(getattr(fake, maker)())
            yield text.upper() if "upper" in self.style else text.lower() if "lower" in self.style else text

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        plain, arrays = super().state()
        return {**plain, "what": self.found.what, "locale": self.found.locale, "style": list(self.style)}, arrays

    @classmethod
    def restore(cls, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        fresh = Fresh.restore(state["fresh"], np.asarray(arrays["taken"], np.uint8))
        return cls(str(state["name"]), Personal(str(state["what"]), str(state["locale"])), list(map(str, state["style"])), fresh)


def _style(texts: Sequence[str]) -> list[str]:
    """How most of the values are spelt."""
    some = [text for text in texts[:2000] if any(letter.isalpha() for letter in text)]
    tests: dict[str, Callable[[str], bool]] = {
        "upper": str.isupper,
        "lower": str.islower,
        "last, first": lambda text: bool(re.fullmatch(r"[^\d,]+, [^\d,]+", text)),
        "with town": lambda text: bool(re.search(r"\d.*[,\n].*[^\W\d_]", text, re.DOTALL)),
    }
    return [style for style, test in tests.items() if sum(map(test, some)) * 2 > len(some)]


def _turned(text: str, by: int) -> str:
    """The text with its last but third digits counted on."""
    places = [place for place, letter in enumerate(text) if letter.isdigit()][-6:-3]
    letters = list(text)
    for place in places:
        letters[place] = str((int(letters[place]) + by) % 10)
    return "".join(letters)


def _with_luhn(text: str) -> str:
    """A card number with the last digit by Luhn's formula."""
    digits = re.sub("[^0-9]", "", text)
    return text[:-1] + str(-luhn(digits[:-1] + "0") % 10) if text[-1:].isdigit() else text


def _with_checks(text: str) -> str:
    """An IBAN with its check digits."""
    plain = text.replace(" ", "")
    if not re.fullmatch("[A-Z]{2}[0-9]{2}[A-Z0-9]+", plain):
        return text
    return f"{text[:2]}{98 - iban_rest(f'{plain[:2]}00{plain[4:]}'):02d}{text[4:]}"


def _within(text: str) -> str:
    """An IP address whose numbers are in range."""
    if ":" in text:
        return re.sub("[g-zG-Z]", lambda letter: "abcdef"[ord(letter[0]) % 6], text)
    return re.sub("[0-9]+", lambda number: str(int(number[0]) % 256), text)


_REPAIRS: dict[str, Callable[[str], str]] = {"card": _with_luhn, "iban": _with_checks, "ip": _within}
