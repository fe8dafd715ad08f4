"""Constraints against enumeration on tiny vocabularies, patterns against Python's `re`, JSON against `json`, and their refusals."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from morelike.core.errors import BadInput, Refused, UnknownName
from morelike.core.noise import Noise
from morelike.core.spec import Tokens, live
from morelike.maths.automaton import MOST_STATES, Automaton, TableMachine, utf8
from morelike.maths.constraint import Constraint, constrained_log_prob
from morelike.maths.decoding import Dials, decode, stream
from morelike.maths.json_shape import json_pattern
from morelike.maths.regex import compile_pattern, quote
from morelike.maths.rules import RULES, parse
from morelike.maths.slots import slots
from morelike.maths.spans import spans
from test_decoding import Markov, every, labels

PIECES = (b"", b"a", b"b", b"ab")
STOPS = Tokens((5,), vocab=4, stop=0)
RUNS = Tokens((4,), vocab=4)
RUN_PIECES = (b"c", b"a", b"b", b"ab")
SETTINGS = settings(max_examples=100, deadline=None, derandomize=True)


def written(x: Tensor, spec: Tokens, pieces: Sequence[bytes]) -> list[bytes]:
    """The bytes of every row."""
    return [b"".join(pieces[number] for number in row if number != spec.stop) for row in x.tolist()]


def regex(pattern: str, spec: Tokens, pieces: Sequence[bytes]) -> Constraint:
    machine = TableMachine(compile_pattern(pattern), pieces, stops=spec.stop is not None, name=f"regex:{pattern}")
    return Constraint([machine], spec)


def by_enumeration(model: Markov, valid: Tensor, condition: dict[str, Tensor] | None) -> Tensor:
    """(N,) probabilities of all valid sequences (N,T): at each place the model's, over the ids that some valid one goes on with."""
    spec, rows = model.spec, valid.tolist()
    following: dict[tuple[int, ...], set[int]] = {}
    for row in rows:
        for place, number in enumerate(row):
            following.setdefault(tuple(row[:place]), set()).add(number)
    total, state, new = torch.ones(len(rows)), None, valid[:, :0]
    for place in range(spec.shape[0]):
        logits, state = model.next(new, condition, state)
        new = valid[:, place : place + 1]
        probs = torch.softmax(logits, 1)
        for n, row in enumerate(rows):
            if spec.stop not in row[:place]:
                total[n] *= probs[n, row[place]] / probs[n, sorted(following[tuple(row[:place])])].sum()
    return total


def check_exhaustively(constraint: Constraint, pieces: Sequence[bytes], good: Callable[[bytes], bool]) -> None:
    """Every sequence of the Spec, one row each: valid ones get the probability worked out by enumeration, all others none."""
    spec = constraint.spec
    model, whole = Markov(spec), every(spec)
    valid = torch.tensor([good(text) for text in written(whole, spec, pieces)])
    assert valid.any()
    found = constrained_log_prob(model, whole, None, constraint)
    assert ((found > -math.inf) == valid).all()
    assert found.exp().sum().item() == pytest.approx(1, abs=1e-4)
    torch.testing.assert_close(found[valid].exp(), by_enumeration(model, whole[valid], None), atol=1e-6, rtol=1e-4)


# --- exhaustive ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", ["a*b", "(ab)+", "(a|ba){2}", "[ab]{5}", "abab|b", "a{4,9}b*", "", "(a?b){3}", ".*bb.*"])
def test_a_pattern_leaves_exactly_the_matching_sequences_and_they_sum_to_one(pattern: str) -> None:
    good = re.compile(pattern).fullmatch
    check_exhaustively(regex(pattern, STOPS, PIECES), PIECES, lambda text: good(text.decode()) is not None)


@pytest.mark.parametrize("pattern", ["[abc]*", "(ab)+", "c?(a|ba)*", "[ab]{5,6}", ".*bb.*", "a*c"])
def test_without_a_stop_exactly_t_ids_match(pattern: str) -> None:
    good = re.compile(pattern).fullmatch
    check_exhaustively(regex(pattern, RUNS, RUN_PIECES), RUN_PIECES, lambda text: good(text.decode()) is not None)


@pytest.mark.parametrize("wanted", [["a"], ["bb", "a"], ["ab", "ba"], ["aba", "bab"], ["abab", "a"], []])
@pytest.mark.parametrize(("spec", "pieces"), [(STOPS, PIECES), (RUNS, RUN_PIECES)], ids=["stop", "running"])
def test_slots_leave_exactly_the_texts_that_hold_them_all(wanted: list[str], spec: Tokens, pieces: Sequence[bytes]) -> None:
    constraint = slots([wanted] * len(every(spec)), spec, pieces)
    check_exhaustively(constraint, pieces, lambda text: all(word.encode() in text for word in wanted))


@pytest.mark.parametrize("source", ["abba", "b", "ababab", "aabcab"])
@pytest.mark.parametrize(("spec", "pieces"), [(STOPS, PIECES), (RUNS, RUN_PIECES)], ids=["stop", "running"])
def test_a_copy_is_exactly_one_unbroken_part(source: str, spec: Tokens, pieces: Sequence[bytes]) -> None:
    if spec.stop is None and len(source) < 4:
        with pytest.raises(Refused, match="exactly 4 ids"):
            spans([source.encode()], spec, pieces).begin(1, 4, torch.zeros(1, 0))
        return
    constraint = spans([source.encode()] * len(every(spec)), spec, pieces)
    check_exhaustively(constraint, pieces, lambda text: len(text) > 0 and text in source.encode())


def test_a_copy_of_ids_needs_no_bytes() -> None:
    source = [3, 1, 1, 2, 0, 0]
    constraint = spans([source] * len(every(STOPS)), STOPS)
    names = (b"", b"1", b"2", b"3")
    check_exhaustively(constraint, names, lambda text: len(text) > 0 and text in b"3112")


def test_pieces_may_break_characters_and_texts_stay_whole() -> None:
    pieces = (b"", b"\xc3", b"\xa9", b"\xa9a", b"a")
    spec = Tokens((4,), vocab=5, stop=0)

    def good(text: bytes) -> bool:
        try:
            return re.fullmatch(".*", text.decode()) is not None
        except UnicodeDecodeError:
            return False

    check_exhaustively(regex(".*", spec, pieces), pieces, good)
    source = "éaé"
    parts = {source[i:j].encode() for i in range(3) for j in range(i + 1, 4)}
    check_exhaustively(spans([source.encode()] * len(every(spec)), spec, pieces), pieces, parts.__contains__)


def test_where_the_model_gives_nothing_allowed_a_chance_the_allowed_are_equally_likely() -> None:
    model = Markov(STOPS)
    model.table[..., 1] = -math.inf
    found = constrained_log_prob(model, torch.tensor([[1, 1, 0, 0, 0], [1, 0, 0, 0, 0]]), None, regex("a{1,2}", STOPS, PIECES))
    assert found.exp().sum().item() == pytest.approx(1, abs=1e-5)
    drawn = decode(model, STOPS, noise=Noise(0, 4), constraint=regex("a{1,2}", STOPS, PIECES))
    assert {*written(drawn, STOPS, PIECES)} <= {b"a", b"aa"}


# --- draws ---------------------------------------------------------------------------------------------------------------

LETTERS = (b"", *(bytes([byte]) for byte in range(32, 127)), "é".encode())
LONG = Tokens((40,), vocab=len(LETTERS), stop=0)


@pytest.mark.parametrize("dials", [Dials(temperature=2, top_k=5), Dials(top_p=0.3, best_of=2), Dials(beam=3), Dials(temperature=0)])
@pytest.mark.parametrize("pattern", [r"[A-Z]\w{2,5}, \d{4}-\d\d", r"(\d+|x)*y", r"[^a-z]{30,}é"])
def test_every_draw_matches(pattern: str, dials: Dials) -> None:
    drawn = decode(Markov(LONG), LONG, labels(8), noise=Noise(0, 8), dials=dials, constraint=regex(pattern, LONG, LETTERS))
    for text in written(drawn, LONG, LETTERS):
        assert re.fullmatch(pattern, text.decode()), text
    assert ((drawn == 0) | live(LONG, drawn)).all()


def test_a_draw_is_as_likely_as_its_constrained_probability_says() -> None:
    constraint, model, n = regex("(ab?){1,2}", STOPS, PIECES), Markov(STOPS), 20_000
    drawn, counts = decode(model, STOPS, noise=Noise(1, n), constraint=constraint).unique(dim=0, return_counts=True)
    expected = constrained_log_prob(model, drawn, None, constraint).exp()
    assert expected.sum().item() == pytest.approx(1, abs=1e-4)
    assert ((counts / n - expected).abs() < 5 * (expected * (1 - expected) / n).sqrt() + 1e-4).all()


def test_a_beam_finds_the_models_likeliest_valid_sequence() -> None:
    model, whole = Markov(STOPS), every(STOPS)
    for pattern in ("(ab)+", "[ab]{4,}", "b*a"):
        valid = whole[torch.tensor([bool(re.fullmatch(pattern, text.decode())) for text in written(whole, STOPS, PIECES)])]
        best = valid[(-model.surprise(valid)).sum(1).argmax()]
        found = decode(model, STOPS, noise=Noise(0, 2), dials=Dials(beam=700, length_penalty=0.0), constraint=regex(pattern, STOPS, PIECES))
        assert found.tolist() == [best.tolist()] * 2


def test_rows_have_slots_of_their_own_and_do_not_depend_on_their_neighbours() -> None:
    wanted = [["The Eagle", "low"], ["pub"], [], ["low", "lower", "wers"], ["é", "aé"], ["The Eagle", "low"]]
    model, noise, given = Markov(LONG), Noise(3, 6), labels(6)
    constraint = slots(wanted, LONG, LETTERS)
    drawn = decode(model, LONG, given, noise=noise, constraint=constraint)
    for text, words in zip(written(drawn, LONG, LETTERS), wanted, strict=True):
        assert all(word.encode() in text for word in words), text
    index = torch.tensor([3, 0])
    alone = decode(model, LONG, {"label": given["label"][index]}, noise=noise[index], constraint=constraint.rows([3, 0]))
    assert alone.tolist() == drawn[index].tolist()
    parts = list(stream(model, LONG, given, noise=noise, constraint=constraint))
    assert torch.stack(parts, 1).tolist() == drawn[:, : len(parts)].tolist()
    with pytest.raises(BadInput, match="made for 6 rows, not for 2"):
        decode(model, LONG, noise=noise[index], constraint=constraint)


def test_tight_room_lets_strings_overlap() -> None:
    spec = Tokens((6,), vocab=len(LETTERS), stop=0)
    drawn = decode(Markov(spec), spec, noise=Noise(0, 3), constraint=slots([["abcd", "cdef", "b"]] * 3, spec, LETTERS))
    assert written(drawn, spec, LETTERS) == [b"abcdef"] * 3


def test_copies_are_parts_of_their_own_rows_text() -> None:
    sources = ["to be or not to be", "zzz", "caffé é"]
    drawn = decode(Markov(LONG), LONG, noise=Noise(0, 3), constraint=spans([text.encode() for text in sources], LONG, LETTERS))
    for text, source in zip(written(drawn, LONG, LETTERS), sources, strict=True):
        assert text
        assert text.decode() in source


def test_a_prefix_counts_towards_the_constraint() -> None:
    prefix = torch.tensor([[1, 2], [3, 0]])
    drawn = decode(Markov(STOPS), STOPS, noise=Noise(0, 2), prefix=prefix, constraint=regex("abb*", STOPS, PIECES))
    assert drawn[:, :2].tolist() == prefix.tolist()
    assert all(re.fullmatch(b"abb*", text) for text in written(drawn, STOPS, PIECES))
    with pytest.raises(BadInput, match="row 1: its id number 2"):
        decode(Markov(STOPS), STOPS, noise=Noise(0, 2), prefix=torch.tensor([[1, 2], [1, 0]]), constraint=regex("abb*", STOPS, PIECES))


# --- patterns against re -------------------------------------------------------------------------------------------------

_SINGLE = st.sampled_from(
    [
        *["a", "b", "é", "ab", ".", "\\d", "\\w", "\\s", "\\D", "\\W", "\\S", "-", "€"],
        *["[ab]", "[^a]", "[a-c1]", "[^\\d_]", "[]a]", "[a\\]-]", "\\.", "\\n", "\\x61"],
    ]
)
_TIMES = st.sampled_from(["*", "+", "?", "{2}", "{1,}", "{,2}", "{0,3}", "{2,3}", "{0}"])
PATTERNS = st.recursive(
    _SINGLE,
    lambda inner: st.one_of(
        st.builds("({}|{})".format, inner, inner), st.builds("{}{}".format, inner, inner),
        st.builds("(?:{}){}".format, inner, _TIMES), st.builds("({}|)".format, inner), st.builds("{}|{}".format, inner, inner),
    ),
    max_leaves=6,
)  # fmt: skip
TEXTS = st.text(st.sampled_from("abcé1_ -]\n.€𝄞"), max_size=7)


@SETTINGS
@given(PATTERNS, st.lists(TEXTS, min_size=8, max_size=8))
def test_patterns_match_what_re_matches(pattern: str, texts: list[str]) -> None:
    automaton, expected = compile_pattern(pattern), re.compile(pattern)
    for text in texts:
        assert automaton.matches(text.encode()) == (expected.fullmatch(text) is not None), (pattern, text)


@SETTINGS
@given(PATTERNS, st.data())
def test_what_re_finds_in_a_text_is_matched(pattern: str, data: st.DataObject) -> None:
    text = data.draw(st.from_regex(f"(?:{pattern})", fullmatch=True, alphabet="abcé1_ -]\n.€𝄞"))
    assert compile_pattern(pattern).matches(text.encode())


@pytest.mark.parametrize("name", ["\\d", "\\w", "\\s", "\\D", "\\W", "\\S", ".", "[^\\x00-\\u00ff]", "[à-ÿ]", "[\\u0400-\\U0001F600]"])
def test_classes_hold_the_characters_that_re_gives_them(name: str) -> None:
    automaton, expected = compile_pattern(name), re.compile(name)
    points = [point for point in [*range(0x800), *range(0x800, 0x110000, 331)] if not 0xD800 <= point <= 0xDFFF]
    wrong = [hex(point) for point in points if automaton.matches(chr(point).encode()) != (expected.fullmatch(chr(point)) is not None)]
    assert not wrong


@SETTINGS
@given(st.integers(0, 0x10FFFF), st.integers(0, 0x10FFFF))
def test_byte_ranges_hold_each_character_once(one: int, other: int) -> None:
    low, high = sorted((one, other))
    products = list(utf8(((low, high),)))
    surrogates = max(0, min(high, 0xDFFF) - max(low, 0xD800) + 1)
    assert sum(math.prod(last - first + 1 for first, last in product) for product in products) == high - low + 1 - surrogates
    for point in {low, high, (low + high) // 2, max(low - 1, 0), min(high + 1, 0x10FFFF)}:
        if not 0xD800 <= point <= 0xDFFF:
            code = chr(point).encode()
            inside = [p for p in products if len(p) == len(code) and all(a <= byte <= z for byte, (a, z) in zip(code, p, strict=True))]
            assert len(inside) == (low <= point <= high)


@SETTINGS
@given(st.text(max_size=12))
def test_a_quoted_text_matches_itself_alone(text: str) -> None:
    text = text.encode(errors="ignore").decode()
    automaton = compile_pattern(quote(text))
    assert automaton.matches(text.encode())
    assert not automaton.matches((text + "x").encode())


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("a(b", "character 2: this '\\(' is never closed"), ("a)b", "character 2: this '\\)' closes nothing"),
        ("*a", "character 1: nothing to repeat"),
        ("[ab", "character 1: this '\\[' is never closed"), ("a{2,1}", "the most, 1, is below the least, 2"), ("a{x}", "a repetition is"),
        ("a**", "two repetitions"), ("a+?", "two repetitions"), ("^a", "leave \\^ out"), ("a$", "leave \\$ out"), ("(?=a)", "looks around"),
        ("\\1", "\\\\1 is not known"), ("\\bx", "\\\\b is not known"), ("\\x4", "2 hexadecimal digits"),
        ("\\U00110000", "no such character"),
        ("[z-a]", "character 2: a range runs"), ("[\\d-z]", "a range runs"), ("ab\\", "it ends where"), ("a{2000}", "at most 1000"),
        ("(" * 60, "nested more than 50"), (".*a.{20}", f"more than {MOST_STATES:,} states"), ("((a{999}){999}){999}", "too large"),
        ("(((){999}){999}){999}", "too large"),
    ],
)  # fmt: skip
def test_a_bad_pattern_is_refused_with_its_place(pattern: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        compile_pattern(pattern)


# --- JSON ----------------------------------------------------------------------------------------------------------------

SHAPE = {"name": "string 8", "stars": "integer|null", "tags": ["boolean", 2], "price": {"enum": ["£20", 7, None]}, "at": {"x": "number"}}


@lru_cache
def shape_automaton() -> Automaton:
    return compile_pattern(json_pattern(SHAPE))


def fits(value: Any, shape: Any) -> bool:
    """Whether a value has the shape, by a reading of the rules that shares nothing with the pattern."""
    if isinstance(shape, str):
        names = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
        most = [int(name.split()[1]) for name in shape.split("|") if " " in name]
        kinds = [name.split()[0] for name in shape.split("|")]
        named = names[type(value)] in kinds or (type(value) is int and "number" in kinds)
        return named and (not most or not isinstance(value, str) or len(value) <= most[0])
    if isinstance(shape, list):
        return isinstance(value, list) and all(fits(v, shape[0]) for v in value) and (len(shape) == 1 or len(value) <= shape[1])
    if list(shape) == ["enum"]:
        return value in shape["enum"]
    return isinstance(value, dict) and list(value) == list(shape) and all(fits(value[key], shape[key]) for key in shape)


def test_every_draw_is_json_of_the_shape() -> None:
    pieces = (b"", *(bytes([byte]) for byte in (*range(9, 127), *"é£".encode())))
    spec = Tokens((160,), vocab=len(pieces), stop=0)
    for shape in (SHAPE, ["string"], "number|boolean", {"é\"\\": ["number", 3]}):
        drawn = decode(Markov(spec), spec, noise=Noise(0, 6), constraint=regex(json_pattern(shape), spec, pieces))
        for text in written(drawn, spec, pieces):
            assert fits(json.loads(text.decode()), shape), text


@SETTINGS
@given(
    st.builds(
        lambda name, stars, tags, price, x: {"name": name, "stars": stars, "tags": tags, "price": price, "at": {"x": x}},
        st.text(st.characters(exclude_categories=("Cs",)), max_size=8),
        st.none() | st.integers(-(10**16), 10**16), st.lists(st.booleans(), max_size=2),
        st.sampled_from(["£20", 7, None]), st.integers(-999, 999) | st.floats(-1e9, 1e9).map(lambda x: round(x, 4)),
    ),
    st.booleans(),
)  # fmt: skip
def test_what_json_writes_of_the_shape_is_matched(value: Any, compact: bool) -> None:
    automaton = shape_automaton()
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":") if compact else None)
    assert automaton.matches(text.encode())
    assert not automaton.matches(text.encode()[:-1])
    assert not automaton.matches(text.replace("name", "nome").encode())


@pytest.mark.parametrize("text", [r'"\ud800"', r'"\udc00x"', '"a\nb"', '"\\q"', '"', '"\\u12"', "01", "1.", "+1", ".5", "nul"])
def test_what_json_or_utf8_refuses_is_not_matched(text: str) -> None:
    assert not compile_pattern(json_pattern("string|number|null")).matches(text.encode())


@pytest.mark.parametrize("text", [r'"\ud834\udd1e"', r'"\u00e9\/\n"', '""', "-0.5e+07", "0", "null"])
def test_escapes_and_numbers_are_matched(text: str) -> None:
    json.loads(text)
    assert compile_pattern(json_pattern("string|number|null")).matches(text.encode())


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("text", "names 'text'; known"), ({}, "no shape"), ([], "no shape"), (["string", 0], "no shape"), (3, "no shape"),
        ({"a": {"enum": [[1]]}}, "\\['a'\\] lists \\[1\\]"), ({"enum": [float("nan")]}, "can't write"),
        ({"a": {"b": "strin"}}, "\\['a'\\]\\['b'\\] names"),
        ([[[[[[[[[["null"]]]]]]]]]], "nested"), ("string 0", "names 'string 0'"),
    ],
)  # fmt: skip
def test_a_bad_shape_is_refused_with_its_place(shape: Any, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        json_pattern(shape)


# --- refusals before drawing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("constraint", "words"),
    [
        (lambda: regex("x+", STOPS, PIECES), "nothing that this model's vocabulary can write satisfies regex:x\\+"),
        (lambda: regex("a{8}", STOPS, PIECES), "takes 8 ids, and there is room for 5"),
        (lambda: regex("a|aa", RUNS, RUN_PIECES), "exactly 4 ids satisfies"),
        (lambda: slots([["a"], ["ax"]], STOPS, PIECES), "not all of 'ax' can be written.*row 1"),
        (lambda: slots([["aaa"], ["aaa", "bbbb"]], STOPS, PIECES), "'aaa', 'bbbb' take at least 6 ids.*room for 5"),
        (lambda: slots([["aaaa", "bbbb", "abab", "baba", "a" * 50]] * 2, STOPS, PIECES), "^'aaaa', 'bbbb', 'abab' and 2 more take"),
        (lambda: slots([["a" * 50]] * 2, STOPS, PIECES), r"^'a{37}\.\.\.' take"),
        (lambda: spans([b"ab", b""], STOPS, PIECES), "is empty.*row 1"),
        (lambda: spans([b"ab", b"xyz"], STOPS, PIECES), "no part of the text .* vocabulary"),
    ],
)
def test_what_nothing_satisfies_is_refused_before_drawing(constraint: Callable[[], Constraint], words: str) -> None:
    made = constraint()
    model = Markov(made.spec)
    for call in (decode, stream):
        with pytest.raises(Refused, match=words):
            call(model, made.spec, noise=Noise(0, 2), constraint=made)
    assert model.calls == 0


def test_slots_out_of_bounds_are_refused() -> None:
    for wanted in ([""], ["a"] + [f"a{n}" for n in range(10)], ["a" * 3000]):
        with pytest.raises(BadInput, match="row 0: at most 10 strings"):
            slots([wanted], STOPS, PIECES)
    with pytest.raises(BadInput, match="row 1"):
        spans([b"a", b"a" * 10_001], STOPS, PIECES)


# --- rules ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("regex:(ab)+", lambda text: re.fullmatch("(ab)+", text)),
        ("slots:bb|a", lambda text: "bb" in text and "a" in text),
        ("span:source", lambda text: text and text in "abba"),
    ],
)
def test_rules_are_read_and_kept(text: str, good: Callable[[str], Any]) -> None:
    constraint = parse(text).constraint(STOPS, PIECES, {"source": ["abba"] * 50})
    drawn = decode(Markov(STOPS), STOPS, noise=Noise(0, 50), constraint=constraint)
    assert all(good(found.decode()) for found in written(drawn, STOPS, PIECES))
    assert len({*written(drawn, STOPS, PIECES)}) > 1


def test_a_json_rule_is_read() -> None:
    pieces = (b"", *(bytes([byte]) for byte in range(32, 127)))
    spec = Tokens((30,), vocab=len(pieces), stop=0)
    drawn = decode(Markov(spec), spec, noise=Noise(0, 3), constraint=parse('json:{"a": ["boolean", 2]}').constraint(spec, pieces))
    assert all(fits(json.loads(text), {"a": ["boolean", 2]}) for text in written(drawn, spec, pieces))


@pytest.mark.parametrize("text", ["regx:a", "regex", "regex:", "", "slots:|", "json:{", "json:{'a': 1}"])
def test_a_rule_that_cannot_be_read_is_refused_with_what_exists(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(text)
    assert any(line in str(caught.value) for line in RULES.values())


def test_a_copy_from_a_condition_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(UnknownName, match="did you mean 'source'"):
        parse("span:sorce").constraint(STOPS, PIECES, {"source": ["a"]})


def test_tables_and_walks_agree_on_long_pieces() -> None:
    pieces = (b"", b"to", b" be", b"or", b" not to", "é".encode(), "é".encode()[:1], b" ")
    machine = TableMachine(compile_pattern("(\\w| )*"), pieces, stops=True, name="x")
    states = np.zeros(1, dtype=np.int64)
    automaton = compile_pattern("(\\w| )*")
    for number in (1, 2, 7, 5, 3, 4):
        assert machine.step(states)[0, 0] == -1  # the stop's empty piece
        states = machine.step(states)[:, number]
    assert machine.accepts(states)[0] == automaton.matches("to be éor not to".encode())
    assert not machine.accepts(machine.step(states)[:, 6])[0]
