"""Numbers, dates and times of day of the embedded corpus, in English and in German."""

from __future__ import annotations

Pair = tuple[str, str]


def _list(words: str) -> tuple[str, ...]:
    return tuple(words.split())


ENGLISH = _list(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
GERMAN = _list(
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn "
    "sechzehn siebzehn achtzehn neunzehn"
)
ENGLISH_TENS = _list("zero ten twenty thirty forty fifty sixty seventy eighty ninety")
GERMAN_TENS = _list("null zehn zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig")
ORDINALS = {
    1: ("first", "erst"), 2: ("second", "zweit"), 3: ("third", "dritt"), 5: ("fifth", "fünft"),
    7: ("seventh", "siebt"), 8: ("eighth", "acht"), 9: ("ninth", "neunt"), 12: ("twelfth", "zwölft"),
}  # fmt: skip
MONTHS = tuple(zip(
    _list("January February March April May June July August September October November December"),
    _list("Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
    strict=True,
))  # fmt: skip
WEEKDAYS = tuple(zip(
    _list("Monday Tuesday Wednesday Thursday Friday Saturday Sunday"),
    _list("Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag"),
    strict=True,
))  # fmt: skip


def english(n: int) -> str:
    """A cardinal below a million in words: 'one hundred and twenty-one'."""
    if n < 20:
        return ENGLISH[n]
    if n < 100:
        return ENGLISH_TENS[n // 10] + (f"-{ENGLISH[n % 10]}" if n % 10 else "")
    if n < 1000:
        return f"{ENGLISH[n // 100]} hundred" + (f" and {english(n % 100)}" if n % 100 else "")
    joint = " and " if n % 1000 < 100 else " "
    return f"{english(n // 1000)} thousand" + (joint + english(n % 1000) if n % 1000 else "")


def german(n: int) -> str:
    """A cardinal below a million in one word, units before tens: 'hunderteinundzwanzig'."""
    if n < 20:
        return GERMAN[n]
    if n < 100:
        return (f"{_ein(n % 10)}und" if n % 10 else "") + GERMAN_TENS[n // 10]
    unit, name = (1000, "tausend") if n >= 1000 else (100, "hundert")
    many = "" if n // unit == 1 else german(n // unit)
    return many + name + (german(n % unit) if n % unit else "")


def _ein(n: int) -> str:
    return "ein" if n == 1 else GERMAN[n]


def words(n: int) -> Pair:
    return english(n), german(n)


def digits(n: int) -> Pair:
    """'3,500' and '3.500'."""
    return f"{n:,}", f"{n:,}".replace(",", ".")


def ordinal(n: int) -> Pair:
    """'third' and 'dritt', which takes the endings of an adjective; n below 32."""
    if n in ORDINALS:
        return ORDINALS[n]
    if n < 20:
        return english(n) + "th", german(n) + "t"
    tens, unit = divmod(n, 10)
    first = f"{ENGLISH_TENS[tens]}-{ordinal(unit)[0]}" if unit else f"{ENGLISH_TENS[tens][:-1]}ieth"
    return first, german(n) + "st"


def clock(hour: int, quarter: int) -> Pair:
    """'at half past three' and 'um halb vier': German names the hour to come. Hours 1-12, quarters 0-3."""
    following = hour % 12 + 1
    if quarter == 0:
        return f"at {english(hour)} o'clock", f"um {_ein(hour)} Uhr"
    if quarter == 1:
        return f"at a quarter past {english(hour)}", f"um Viertel nach {german(hour)}"
    if quarter == 2:
        return f"at half past {english(hour)}", f"um halb {german(following)}"
    return f"at a quarter to {english(following)}", f"um Viertel vor {german(following)}"
