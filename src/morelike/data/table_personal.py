"""Which columns of a table say who somebody is: by what their values look like, by check digits, and by their names in several languages.

Shares are of the distinct cells that aren't missing, of which about 300 are looked at.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .table_names import FIRST_NAMES, LAST_NAMES

_LOOKED_AT = 300
_FEW = 3
"""Fewer distinct values are judged by their column's name only."""
_NEARLY, _MOST, _SOME = 0.9, 0.7, 0.2


@dataclass(frozen=True, slots=True)
class Personal:
    """What a column holds."""

    what: str
    """"first name", "last name", "name", "e-mail", "phone", "card", "iban", "address", "ip" or "national id"."""
    locale: str
    """A language and country in which it is written, as `faker` calls them."""


SAID = {
    "first name": "people's first names", "last name": "people's last names", "name": "people's names", "e-mail": "e-mail addresses",
    "phone": "phone numbers", "card": "card numbers", "iban": "bank account numbers", "address": "street addresses",
    "ip": "IP addresses", "national id": "personal identity numbers",
}  # fmt: skip

_GIVEN = frozenset([
    "firstname", "forename", "givenname", "vorname", "rufname", "prenom", "voornaam", "fornavn", "fornamn", "imie", "etunimi", "jmeno",
    "keresztnev", "primeiro",
])  # fmt: skip
_FAMILY = frozenset([
    "lastname", "surname", "familyname", "nachname", "familienname", "apellido", "apellidos", "cognome", "sobrenome", "apelido",
    "achternaam", "etternavn", "efternavn", "efternamn", "nazwisko", "sukunimi", "prijmeni", "vezeteknev", "soyad", "soyadi",
])  # fmt: skip
_WHOLE = frozenset(["fullname", "vollname", "cardholder", "kontoinhaber", "personname", "patientname", "customername"])
_CALLED = frozenset(["name", "names", "nom", "nombre", "nombres", "nome", "naam", "navn", "namn", "ad", "isim"])
_PERSON = frozenset([
    "patient", "customer", "client", "employee", "student", "person", "contact", "owner", "user", "member", "author", "teacher", "doctor",
    "kunde", "kundin", "mitarbeiter", "autor", "client", "cliente", "paciente", "paziente", "klant", "full", "complet", "completo",
])  # fmt: skip
_MAIL = frozenset(["email", "mail", "url", "web", "mac", "ip"])
_PHONE = frozenset([
    "phone", "phones", "phonenumber", "telephone", "tel", "mobile", "cellphone", "fax", "telefon", "telefonnummer", "handy",
    "handynummer", "mobil", "mobilnummer", "telefono", "movil", "celular", "telefone", "telefoon", "gsm", "whatsapp", "puhelin",
])  # fmt: skip
_CARD = frozenset(["card", "cardnumber", "creditcard", "karte", "kreditkarte", "kartennummer", "carte", "tarjeta", "carta", "cc", "pan"])
_BANK = frozenset(["iban", "kontonummer", "accountnumber", "bankaccount", "rekeningnummer"])
_IDENTITY = frozenset([
    "ssn", "passport", "nationalid", "personnummer", "pesel", "cpf", "dni", "nif", "nie", "nino", "ahv", "avs", "steuerid",
    "steuernummer", "sozialversicherungsnummer", "reisepass", "insee", "bsn", "aadhaar", "codicefiscale", "curp", "sin", "socialsecurity",
])  # fmt: skip
_STREET = frozenset([
    "address", "addr", "street", "streetaddress", "strasse", "anschrift", "adresse", "wohnadresse", "rue", "direccion", "domicilio",
    "calle", "indirizzo", "endereco", "morada", "adres", "ulica", "straat", "gata", "gatuadress", "osoite",
])  # fmt: skip

_E_MAIL = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[A-Za-z]{2,}")
_V4 = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})")
_DIGITS = re.compile(r"\+?[0-9\s().\-/]{6,22}(?:\s?(?:x|ext\.?)\s?[0-9]{1,6})?")
_CALLABLE = re.compile(
    r"(?:\+|00)[1-9][0-9\s().\-/]{6,20}(?:\s?x[0-9]+)?|\(0?[0-9]{2,5}\)\s?[0-9][0-9\s\-]{4,12}|[0-9]{3}[-. ][0-9]{3}[-. ][0-9]{4}"
)
_CARDLIKE = re.compile(r"[2-6][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{1,7}|3[47][0-9]{2}[ -]?[0-9]{6}[ -]?[0-9]{5}")
_IBANLIKE = re.compile(r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}")
_NAMELIKE = re.compile(r"[^\W\d_]+\.?(?:[ '’\-,]{1,2}[^\W\d_]+\.?){0,5}")
_STREET_WORDS = (
    (r"\b(?:street|st|avenue|ave|road|rd|lane|ln|drive|dr|boulevard|blvd|court|ct|square|terrace|parkway|highway)\b\.?", "en_US"),
    (r"(?:stra(?:ß|ss)e|str\.|weg|platz|gasse|allee|damm|ufer)\b|\bstr\b", "de_DE"),
    (r"\b(?:rue|chemin|impasse|quai|avenue de|place d[eu]|boulevard de)\b", "fr_FR"),
    (r"\b(?:calle|avenida|avda|plaza|paseo|carrera)\b", "es_ES"), (r"\b(?:via|viale|piazza|corso|vicolo)\b", "it_IT"),
    (r"\b(?:rua|travessa|praça|estrada)\b", "pt_BR"), (r"(?:straat|laan|plein|gracht)\b", "nl_NL"),
    (r"\b(?:ul\.|ulica|aleja)", "pl_PL"), (r"(?:gatan|vägen|gränd)\b", "sv_SE"),
)  # fmt: skip
_STREETS = [(re.compile(pattern, re.IGNORECASE), locale) for pattern, locale in _STREET_WORDS]
_SCRIPTS = (
    ("\u3040-\u30ff", "ja_JP"), ("\uac00-\ud7a3", "ko_KR"), ("\u4e00-\u9fff", "zh_CN"), ("\u0400-\u04ff", "ru_RU"),
    ("\u0370-\u03ff", "el_GR"), ("ąćęłńśźż", "pl_PL"), ("ßäöü", "de_DE"), ("ñ", "es_ES"), ("ãõ", "pt_BR"), ("åøæ", "da_DK"),
    ("ğış", "tr_TR"), ("éèêàç", "fr_FR"),
)  # fmt: skip
_LETTERS = [(re.compile(f"[{letters}]"), locale) for letters, locale in _SCRIPTS]
"""Of lower case: were case ignored, the dotless i would be every i."""
_DIAL = {"+49": "de_DE", "+43": "de_AT", "+41": "de_CH", "+33": "fr_FR", "+34": "es_ES", "+39": "it_IT", "+31": "nl_NL", "+48": "pl_PL",
         "+46": "sv_SE", "+44": "en_GB", "+55": "pt_BR"}  # fmt: skip
_TOP = {".de": "de_DE", ".at": "de_AT", ".ch": "de_CH", ".fr": "fr_FR", ".es": "es_ES", ".it": "it_IT", ".nl": "nl_NL", ".pl": "pl_PL",
        ".se": "sv_SE", ".uk": "en_GB", ".br": "pt_BR"}  # fmt: skip


def personal(name: str, texts: Sequence[str]) -> Personal | None:
    """What a column called `name` says of people, from its distinct cells that aren't missing; None where it says nothing of them."""
    texts = [text.strip() for text in texts[:: max(1, len(texts) // _LOOKED_AT)]]
    if not texts:
        return None
    words = header_words(name)
    what = next((what for what, found in _RULES if found(words, texts)), None)
    return None if what is None else Personal(what, _locale(texts))


def header_words(name: str) -> frozenset[str]:
    """A header's words in small letters without accents, and neighbours joined: `PatientID` has patient, id and patientid."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    words = [word.lower() for word in re.findall("[A-Z]+(?![a-z])|[A-Z]?[a-z]+", plain)]
    return frozenset([*words, *(first + second for first, second in pairwise(words))])


def _share(texts: Sequence[str], test: Callable[[str], object]) -> float:
    return sum(bool(test(text)) for text in texts) / len(texts)


def _is_mail(words: frozenset[str], texts: Sequence[str]) -> bool:
    return _share(texts, _E_MAIL.fullmatch) >= _MOST


def _is_ip(words: frozenset[str], texts: Sequence[str]) -> bool:
    return "version" not in words and len(texts) >= _FEW and _share(texts, _ip) >= _NEARLY


def _ip(text: str) -> bool:
    if _V4.fullmatch(text):
        return True
    try:
        return text.count(":") > 1 and ipaddress.ip_address(text).version == 6
    except ValueError:
        return False


def _is_iban(words: frozenset[str], texts: Sequence[str]) -> bool:
    if _share(texts, lambda text: _IBANLIKE.fullmatch(text) and iban_rest(text) == 1) >= _MOST:
        return True
    return bool(words & _BANK) and _share(texts, lambda text: 6 <= sum(map(str.isdigit, text)) <= 30 and len(text) < 40) >= _MOST


def iban_rest(text: str) -> int:
    """An IBAN's remainder by 97, which is 1 where its check digits are right (ISO 13616)."""
    plain = text.replace(" ", "")
    return int("".join(str(int(letter, 36)) for letter in plain[4:] + plain[:4])) % 97


def _is_card(words: frozenset[str], texts: Sequence[str]) -> bool:
    right = _share(texts, lambda text: _CARDLIKE.fullmatch(text) and luhn(re.sub("[ -]", "", text)) == 0)
    return right >= (_NEARLY if len(texts) >= 5 else 1.1) or (bool(words & _CARD) and right >= _MOST)


def luhn(digits: str) -> int:
    """The sum of Luhn's formula modulo 10, which is 0 where the check digit, the last one, is right (ISO/IEC 7812-1)."""
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(number - 9 if number > 9 else number for number in doubled) % 10


def _weighted(digits: str, weights: Sequence[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def _german_tax(digits: str) -> bool:
    """ISO 7064, MOD 11,10."""
    rest = 10
    for digit in digits[:-1]:
        rest = ((int(digit) + rest) % 10 or 10) * 2 % 11
    return digits[0] != "0" and (11 - rest) % 10 == int(digits[-1])


def _brazilian(digits: str) -> bool:
    first = _weighted(digits, range(10, 1, -1)) * 10 % 11 % 10
    return first == int(digits[9]) and _weighted(digits, range(11, 1, -1)) * 10 % 11 % 10 == int(digits[10])


_NUMBERS: tuple[tuple[re.Pattern[str], Callable[[str], bool]], ...] = (
    (re.compile(r"(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}"), lambda _: True),
    (re.compile(r"756\.?[0-9]{4}\.?[0-9]{4}\.?[0-9]{2}"), lambda digits: _weighted(digits, (1, 3) * 6 + (1,)) % 10 == 0),
    (re.compile(r"[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}"), _german_tax),
    (re.compile(r"[0-9]{8}-?[A-Z]"), lambda text: text[8] == "TRWAGMYFPDXBNJZSQVHLCKE"[int(text[:8]) % 23]),
    (re.compile(r"[12](?: ?[0-9]{2}){3}(?: ?[0-9]{3}){2} ?[0-9]{2}"), lambda digits: (int(digits[:13]) + int(digits[13:])) % 97 == 0),
    (re.compile(r"[A-Z]{6}[0-9]{2}[A-EHLMPR-T][0-9]{2}[A-Z][0-9]{3}[A-Z]"), lambda _: True),
    (re.compile(r"[A-CEGHJ-PR-TW-Z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]"), lambda _: True),
    (re.compile(r"(?:19|20)?[0-9]{2}[01][0-9][0-3][0-9][-+][0-9]{4}"), lambda digits: luhn(digits[-10:]) == 0),
    (re.compile(r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}"), _brazilian),
    (re.compile(r"[0-9]{2}[0-3][0-9][0-3][0-9]{6}"), lambda digits: _weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0),
)  # fmt: skip
"""Identity numbers with their checks on digits and letters alone: of the USA, Switzerland, Germany (tax), Spain, France, Italy, the United
Kingdom, Sweden, Brazil and Poland."""


def _is_identity(words: frozenset[str], texts: Sequence[str]) -> bool:
    if words & _IDENTITY and _share(texts, lambda text: sum(map(str.isdigit, text)) >= 5) >= _MOST:
        return True
    if len(texts) < 2 * _FEW:
        return False
    def follows(form: re.Pattern[str], right: Callable[[str], bool]) -> float:
        return _share(texts, lambda text: form.fullmatch(text) and right(re.sub(r"[ .+\-]", "", text)))

    return any(follows(form, right) >= _NEARLY for form, right in _NUMBERS)


def _is_phone(words: frozenset[str], texts: Sequence[str]) -> bool:
    def has(text: str, least: int) -> bool:
        return least <= sum(map(str.isdigit, text)) <= 17

    if words & _PHONE and _share(texts, lambda text: has(text, 6) and _DIGITS.fullmatch(text)) >= _MOST:
        return True
    return len(texts) >= _FEW and _share(texts, lambda text: has(text, 8) and _CALLABLE.fullmatch(text)) >= _NEARLY


def _is_address(words: frozenset[str], texts: Sequence[str]) -> bool:
    if words & _MAIL:
        return False
    worded = _share(texts, lambda text: any(pattern.search(text) for pattern, _ in _STREETS))
    numbered = _share(texts, lambda text: re.search(r"[0-9]", text) and re.search(r"[^\W\d_]{2}", text))
    both = _share(texts, lambda text: re.search(r"[0-9]", text) and any(pattern.search(text) for pattern, _ in _STREETS))
    return (bool(words & _STREET) and max(worded, numbered) >= 0.5) or (len(texts) >= _FEW and both >= _MOST)


def _name_words(text: str) -> list[str]:
    return [word.strip(".").casefold() for word in re.split(r"[\s,\-]+", text) if word]


def _names(words: frozenset[str], texts: Sequence[str]) -> bool:
    """Whether a column holds names of people: its own name says so, or known names are common in it."""
    shaped = _share(texts, lambda text: len(text) <= 60 and _NAMELIKE.fullmatch(text))
    if shaped < _MOST:
        return False
    if words & (_GIVEN | _FAMILY | _WHOLE) or (words & _CALLED and words & _PERSON):
        return True
    known = _share(texts, lambda text: any(word in FIRST_NAMES or word in LAST_NAMES for word in _name_words(text)))
    if words & (_CALLED | _PERSON):
        return known >= (_SOME if len(texts) >= _FEW else 1.0)
    return len(texts) >= _FEW and known >= _MOST


def _is_first(words: frozenset[str], texts: Sequence[str]) -> bool:
    if words & (_FAMILY | _WHOLE) or not _names(words, texts):
        return False
    return bool(words & _GIVEN) or (_single(texts) and _known(texts, FIRST_NAMES) >= _known(texts, LAST_NAMES))


def _is_last(words: frozenset[str], texts: Sequence[str]) -> bool:
    if words & (_GIVEN | _WHOLE) or not _names(words, texts):
        return False
    return bool(words & _FAMILY) or _single(texts)


def _single(texts: Sequence[str]) -> bool:
    """Whether most names are one word."""
    return sum(len(re.split(r"[\s,]+", text)) for text in texts) < 1.4 * len(texts)


def _known(texts: Sequence[str], names: dict[str, str]) -> float:
    return _share(texts, lambda text: any(word in names for word in _name_words(text)))


_RULES: tuple[tuple[str, Callable[[frozenset[str], Sequence[str]], bool]], ...] = (
    ("e-mail", _is_mail), ("ip", _is_ip), ("iban", _is_iban), ("card", _is_card), ("national id", _is_identity), ("phone", _is_phone),
    ("address", _is_address), ("first name", _is_first), ("last name", _is_last), ("name", _names),
)  # fmt: skip


def _locale(texts: Sequence[str]) -> str:
    """The language and country that most cells point to: known names, street words, letters, dialling codes, ends of addresses."""
    votes: dict[str, float] = {}
    for text in texts:
        found = [names[word] for word in _name_words(text) for names in (FIRST_NAMES, LAST_NAMES) if word in names]
        found += [locale for pattern, locale in _STREETS if pattern.search(text)]
        found += [locale for pattern, locale in _LETTERS if pattern.search(text.lower())][:1]
        found += [locale for code, locale in _DIAL.items() if text.startswith(code)]
        found += [locale for top, locale in _TOP.items() if "@" in text and text.endswith(top)]
        for locale in found:
            votes[locale] = votes.get(locale, 0.0) + 1.0 / len(found)
    best = max(votes, key=lambda locale: votes[locale], default="en_US")
    return best if votes.get(best, 0.0) * 10 >= len(texts) else "en_US"
