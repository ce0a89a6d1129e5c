"""A merchant: its name made comparable, how well a card network's descriptor matches it, and its category by code."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, Self

from roony.core.categories import CODES, COMPANY_RANGES, NAMES
from roony.core.json_text import to_text

# A score from here on is a match; below it the names only look related.
MATCH_SCORE = 80


def _set_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Lower-case letters (as they are after case folding) that are drawn like a Latin one, most of them as capitals:
# Cyrillic, Greek, Armenian and Latin letters beside the alphabet. Each is folded always, so that a name has one key
# in whatever case it is written.
_LOOK_ALIKES = str.maketrans(
    "авекмнорстухѕіјһԁԛԝӏүґԍαβεζηικμνορτυχϲϳγօսհոզıɡɑłøđħŧðʟ",
    "abekmhopctyxsijhdqwlyrgabezhikmnoptyxcjyouhnqigalodhtdl",
)
_LIGATURES = (("æ", "ae"), ("œ", "oe"), ("þ", "th"))

# What card processors put before a star. Any other word before a star is the merchant itself ("GOOGLE *CLOUD") and
# stays.
_PROCESSORS = _set_of("""
    2co adyen bt ccbill cko clover ctlp dd digitalriver dri eb fastspring fs fsprg gosq gumroad in iz
    izettle klarna lemonsqueezy lemsqzy ls mollie nyx paddle paddlenet paypal paypro payu pp py raz
    razorpay shopify sp sq sqr square stripe sumup toast tst wepay worldpay wpy zettle
""")
# The same without a star, as a word of its own at the start; and words that begin names without meaning anything.
_BARE_PREFIXES = frozenset({"sp", "the", "www"})

_COMPANY_FORMS = _set_of("""
    ab ag aps as asa bt bv co company corp corporation doo eood fzco gmbh inc incorporated kft kg kgaa
    kk limited llc llp lp ltd mbh nv ooo ou ohg oy oyj plc pte pty pvt sa sarl sas sasu se sia sl slu
    spol srl srls sro uab ug zrt
""")
_COMPANY_PHRASES = (("sp", "z", "oo"), ("sp", "z", "o", "o"), ("s", "r", "o"), ("d", "o", "o"), ("a", "s"))

_TOP_LEVEL_DOMAINS = _set_of("""
    com net org io ai co app dev so sh gg tv me us uk ie de at ch fr nl be lu es pt it pl cz sk dk se no
    fi eu ca au nz jp in sg br mx cloud tech shop store online
""")
_SECOND_LEVEL_DOMAINS = frozenset({"ac", "co", "com", "gov", "net", "org"})

_STATES = _set_of("""
    al ak az ar ca co ct dc de fl ga hi ia id il in ks ky la ma md me mi mn mo ms mt nc nd ne nh nj nm
    nv ny oh ok or pa pr ri sc sd tn tx us usa ut va vt wa wi wv wy
""")

# Words that say how or when is paid. They may follow a name on either side without making it another name.
_BILLING_WORDS = _set_of("""
    bill billing invoice inv payment payments pmt autopay subscription subscriptions subscr subscrip
    subscript subs sub renewal renew recurring weekly monthly month quarterly annual annually yearly
    year plan membership order orders purchase charge fee fees trial seat seats january february march
    april may june july august september october november december jan feb mar apr jun jul aug sep sept
    oct nov dec
""")
# Words for the channel or the part of the world. They may follow a name in a descriptor.
_CHANNEL_WORDS = _set_of("""
    com net org io www web website online internet ecom ecommerce app apps store shop help support
    customer emea eu europe european apac intl international global worldwide na us usa uk gb ie
""")
_HARMLESS_WORDS = _BILLING_WORDS | _CHANNEL_WORDS | _COMPANY_FORMS
# The countries and cities that descriptors end with most often; more come with each request as noise.
_PLACES = frozenset(
    """united states|united kingdom|great britain|england|ireland|germany|deutschland|france|netherlands|
luxembourg|belgium|switzerland|austria|spain|portugal|italy|poland|czechia|czech republic|slovakia|
denmark|sweden|norway|finland|estonia|latvia|lithuania|cyprus|malta|greece|romania|bulgaria|
hungary|canada|mexico|brazil|australia|new zealand|japan|singapore|india|hong kong|israel|
san francisco|south san francisco|san jose|san mateo|san diego|palo alto|mountain view|menlo park|
cupertino|sunnyvale|santa clara|redwood city|oakland|los angeles|los gatos|seattle|bellevue|
redmond|portland|new york|brooklyn|boston|cambridge|chicago|austin|dallas|houston|denver|boulder|
atlanta|miami|washington|philadelphia|phoenix|scottsdale|salt lake city|lehi|london|dublin|
edinburgh|berlin|munich|muenchen|hamburg|frankfurt|cologne|paris|amsterdam|brussels|zurich|geneva|
vienna|madrid|barcelona|lisbon|milan|rome|prague|praha|warsaw|copenhagen|stockholm|oslo|helsinki|
tallinn|vilnius|toronto|vancouver|montreal|ottawa|sydney|melbourne|auckland|tokyo|bangalore|
bengaluru|tel aviv""".replace("\n", "").split("|")
)
_LONGEST_PLACE = 4

_ORDINARY_MARKS = re.compile("[\u0300-\u036f]")
_INITIALS = re.compile(r"\b(?:[^\W\d_]\.){2,}(?:[^\W\d_]\b)?")
_HOST = re.compile(r"(?:https?://)?((?:[\w-]+\.)+[a-z]{2,})(?:[/:?#][^\s@]*)?")
_STORE_NUMBER = re.compile(r"#\s*[\w-]*\d[\w-]*")
_PHONE = re.compile(r"(?<!\w)\+?\d(?:[-. ()/]{0,2}\d){6,}(?!\w)")
_ASCII_WORD = re.compile(r"[a-z0-9]+")
# An order or invoice number: at least six letters and digits, three of them digits.
_REFERENCE = re.compile(r"(?=(?:\w*\d){3})(?=\w*[a-z])\w{6,}")
# The number of a shop with the letter or two of its kind: "F1234".
_STORE_CODE = re.compile(r"[a-z]{1,2}\d{3,}")

# Of each text about a merchant that Stripe tells, in characters. A descriptor has some 25; whoever can sign an event of
# their own account may write a million, and every other account's payments would wait while it is compared.
LONGEST_FACT = 2_000
# A descriptor has some 25 letters: of one with more words the alias is not looked for behind these.
_MOST_WORDS = 50

# Folding and shortening settle after two or three rounds; the bound keeps a hostile text from going on for ever.
_ROUNDS = 8


class Merchant(NamedTuple):
    """Who is to be paid, as the agent says. `category` is a 4-digit code, `country` upper-case ISO 3166-1 alpha-2."""

    name: str
    url: str | None = None
    category: str | None = None
    country: str | None = None
    network_id: str | None = None

    def to_json(self) -> str:
        """JSON text of the facts that are known, for a column."""
        return _json_of(self)

    def known(self) -> dict[str, str]:
        """The facts that are known, by name."""
        return {name: value for name, value in zip(self._fields, self, strict=True) if value is not None}

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The merchant that `to_json` wrote."""
        return cls(**json.loads(text))


@lru_cache(maxsize=8192)
def _json_of(merchant: Merchant) -> str:
    return to_text(merchant.known())


class Match(NamedTuple):
    """Whether a descriptor is one of the approved names. `score` is 0..100, `reason` a phrase for people."""

    matched: bool
    score: int
    reason: str


@lru_cache(maxsize=8192)
def normalise(name: str) -> str:
    """The comparable key of a name: folded, without processor prefix, store number, web ending, company form.

    `"SQ *FIGMA, INC. #0042"` → `"figma"`. Applying it twice changes nothing. A name is never emptied: where
    every word would go, the folded text stays.
    """
    for _ in range(_ROUNDS):
        before, name = name, _shortened(name)
        if name == before:
            break
    return name


def match(
    approved_names: Sequence[str], descriptor: str, *, noise: Collection[str] = (), before_star: bool = True
) -> Match:
    """Compares a card network's descriptor with the approved name and its aliases, and returns the best result.

    All words of an approved name, whole and in order, must begin the descriptor (where its spaces are does not
    matter: "Open AI" = "OPENAI"), and what follows must be harmless: billing words, months, channels, countries,
    well-known cities, `noise` (city, state and country of the request), numbers, references, the name again.
    Thus "FIGMA MONTHLY RENEWAL SAN FRANCISCO CA" is Figma, "ALZA VETERINARY" is not Alza, and AWS needs an alias.
    What stands before a star is the merchant ("OPENAI *CHATGPT"), unless it is a card processor; not `before_star`
    leaves that out: who confirmed "GOOGLE *ADS123456" has not confirmed "GOOGLE *PLAY". Never by
    substring, never by likeness of spelling. Scores: 100 the same name, 95 but for spaces, 90 followed by harmless
    words, 88 all that is before the star, 85 after leaving out billing words at the end of the approved name, 60 (no
    match) followed by other words, 0 otherwise.
    """
    found = normalise(descriptor).split()
    head, star, _ = _after_processor(_fold(descriptor)).partition("*")
    head = normalise(head) if star and before_star else ""
    places = frozenset(" ".join(_words(_fold(text))) for text in noise)
    best = _scored(0, "no approved name begins the descriptor")
    for name in approved_names:
        result = _compare(normalise(name).split(), found, head.split(), places)
        if result.score > best.score:
            best = result
    return best


def mentions(name: str, descriptor: str) -> bool:
    """True if the words of `name` stand together anywhere in the descriptor: how a block list is read.

    Wider than `match` on purpose, and whole words all the same: a block on "Alza" stops "ALZA VETERINARY" and
    "PAYPAL *ALZA", but not "ALZAMORA".
    """
    wanted = normalise(name).replace(" ", "")
    if not wanted:
        return False
    for words in (normalise(descriptor).split(), _words(_fold(descriptor))):
        if any(_leading(words, wanted, start) for start in range(len(words))):
            return True
    return False


def stands_alone(descriptor: str) -> bool:
    """True if no star is in it: what stands before one may take money for many merchants, with one network id."""
    return "*" not in _fold(descriptor)


def alias_of(descriptor: str, *, noise: Collection[str] = ()) -> str:
    """The name in a descriptor that a person has confirmed: what `match` lets follow a name is taken off its end.

    `"AWS EMEA 8812 SEATTLE WA"` → `"aws"`, `"FGM*DESIGN 4411"` → `"fgm design"`. Where nothing else would be left
    ("ONLINE STORE"), all of it stays. `noise` as for `match`. Empty only where there is nothing to compare.
    """
    words = normalise(descriptor).split()
    places = frozenset(" ".join(_words(_fold(text))) for text in noise)
    for length in range(1, min(len(words), _MOST_WORDS)):
        if _names_something(words[:length]) and not any(_strange_words(words[length:], frozenset(), places)):
            return " ".join(words[:length])
    return " ".join(words)


def category_code(name_or_code: str) -> str | None:
    """The 4-digit code of a Stripe category name. Any 4 digits pass: networks use more codes than Stripe lists."""
    if len(name_or_code) == 4 and name_or_code.isascii() and name_or_code.isdigit():
        return name_or_code
    return CODES.get(name_or_code)


def category_name(code: str) -> str | None:
    """Stripe's name of a 4-digit code, or None where Stripe has none."""
    return NAMES.get(code)


def trade(code: str) -> str:
    """The code a control is compared with: one airline's, car rental's or hotel's own becomes its trade's."""
    for first, last, parent in COMPANY_RANGES:
        if first <= code <= last:
            return parent
    return code


def stripe_categories(codes: frozenset[str]) -> list[str]:
    """Stripe's names of these codes, sorted; a code without a name is left out."""
    return sorted(NAMES[code] for code in codes if code in NAMES)


def _shortened(name: str) -> str:
    folded = _fold(name)
    words = _words(_after_processor(folded)) or _words(folded)
    return " ".join(_strip_ends(words)) or " ".join(folded.split())


@lru_cache(maxsize=8192)
def _fold(text: str) -> str:
    """Lower case, compatibility forms, Latin look-alikes and accents folded, invisible characters gone."""
    if text.isascii():
        return text.lower()
    for _ in range(_ROUNDS):
        before, text = text, _fold_once(text)
        if text == before:
            break
    return text


def _fold_once(text: str) -> str:
    text = unicodedata.normalize("NFKD", text).casefold()
    text = _ORDINARY_MARKS.sub("", text).translate(_LOOK_ALIKES)
    for ligature, letters in _LIGATURES:
        text = text.replace(ligature, letters)
    text = "".join(character for character in text if unicodedata.category(character) != "Cf")
    return unicodedata.normalize("NFKC", text)


def _after_processor(text: str) -> str:
    """What follows the star of a processor: `sq *figma` → `figma`. A star after anything else is left."""
    if "*" not in text:
        return text
    begins = [0]
    while (star := text.find("*", begins[-1])) >= 0 and "".join(_words(text[begins[-1] : star])) in _PROCESSORS:
        begins.append(star + 1)
    while len(begins) > 1 and not _words(text[begins[-1] :]):
        begins.pop()
    return text[begins[-1] :]


def _words(text: str) -> list[str]:
    if text.isascii() and text.replace(" ", "").isalnum():
        # Nothing in it that could be taken apart; most names are so.
        return _PHONE.sub(" ", " ".join(text.split())).split()
    text = text.replace("'", "").replace("\u2019", "")
    text = _INITIALS.sub(lambda found: found[0].replace(".", "") + " ", text)
    text = " ".join(_registered_name(part) for part in re.split(r"[\s*,;|]+", text))
    text = _PHONE.sub(" ", _STORE_NUMBER.sub(" ", text))
    text = text.replace("&", " and ").replace("+", " plus ")
    if text.isascii():
        return _ASCII_WORD.findall(text)
    return "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in text).split()


def _registered_name(part: str) -> str:
    """`https://www.figma.com/pro` → `figma`; `figma.evil.com` → `evil`; what is no web address stays."""
    address = _HOST.fullmatch(part)
    if address is None:
        return part
    labels = address[1].split(".")
    if labels[-1] not in _TOP_LEVEL_DOMAINS:
        return part
    ending = 2 if len(labels) > 2 and labels[-2] in _SECOND_LEVEL_DOMAINS else 1
    return labels[-1 - ending]


def _strip_ends(words: list[str]) -> list[str]:
    """Takes off prefixes, zero-padded store numbers, company forms and states, as long as a word is left."""
    words = [word for at, word in enumerate(words) if at == 0 or not (word.isdigit() and word.startswith("00"))]
    while len(words) > 1 and words[0] in _BARE_PREFIXES:
        words = words[1:]
    while len(words) > 1:
        phrase = next((form for form in _COMPANY_PHRASES if tuple(words[-len(form) :]) == form), ())
        if phrase and len(words) > len(phrase):
            words = words[: -len(phrase)]
        elif words[-1] in _COMPANY_FORMS or (len(words) > 2 and words[-1] in _STATES):
            words = words[:-1]
        else:
            break
    return words


def _compare(name: list[str], found: list[str], before_star: list[str], places: frozenset[str]) -> Match:
    if not name or not found:
        return _scored(0, "nothing to compare")
    if name == found:
        return _scored(100, "the same name")
    if "".join(name) == "".join(found):
        return _scored(95, "the same name but for spaces")
    for wanted, score in ((name, 90), (_without_billing(name), 85)):
        length = _leading(found, "".join(wanted))
        if length is None:
            continue
        strange = list(_strange_words(found[length:], frozenset(name), places))
        if strange and "".join(name) == "".join(before_star):
            return _scored(88, "the name before the star")
        if strange:
            return _scored(60, f"the name is followed by other words: {' '.join(strange)}")
        return _scored(score, "the name, followed by harmless words")
    return _scored(0, "no approved name begins the descriptor")


def _scored(score: int, reason: str) -> Match:
    return Match(score >= MATCH_SCORE, score, reason)


def _leading(words: list[str], wanted: str, start: int = 0) -> int | None:
    """How many whole words from `start` on spell `wanted` exactly; None if no number of them does."""
    spelled = ""
    for place in range(start, len(words)):
        spelled += words[place]
        if len(spelled) >= len(wanted):
            return place - start + 1 if spelled == wanted else None
    return None


def _without_billing(name: list[str]) -> list[str]:
    """The approved name without billing words at its end: an agent may write "Figma subscription"."""
    while len(name) > 1 and name[-1] in _BILLING_WORDS:
        name = name[:-1]
    return name


def _names_something(words: list[str]) -> bool:
    """True unless every word may stand behind any name: such an alias would let all that begins like it by."""
    return any(_strange_words(words, frozenset(), frozenset()))


def _strange_words(rest: list[str], own: frozenset[str], places: frozenset[str]) -> Iterator[str]:
    """The words after a name that could make it another company's name."""
    at = 0
    while at < len(rest):
        for length in range(min(_LONGEST_PLACE, len(rest) - at), 0, -1):
            phrase = " ".join(rest[at : at + length])
            if _is_place(phrase, places, last=at + length == len(rest)):
                at += length
                break
        else:
            word, at = rest[at], at + 1
            last = at == len(rest)
            harmless = word in own or word in _HARMLESS_WORDS or word.isdigit()
            coded = _REFERENCE.fullmatch(word) or _STORE_CODE.fullmatch(word)
            if not (harmless or coded or (last and word in _STATES)):
                yield word


def _is_place(phrase: str, places: frozenset[str], last: bool) -> bool:
    """A country or city; at the very end also one with its state run into it, since descriptors have narrow columns."""
    if phrase in _PLACES or phrase in places:
        return True
    return last and phrase[-2:] in _STATES and (phrase[:-2] in _PLACES or phrase[:-2] in places)
