"""Names without what does not count: case, dashes, the isotope, dye or detector of a channel."""

from __future__ import annotations

import re

#: Greek letters of receptors and chains: alpha to epsilon, kappa and lambda.
GREEK = str.maketrans("\u03b1\u03b2\u03b3\u03b4\u03b5\u03ba\u03bb", "abgdekl")
#: Dashes and signs of text programs.
_SIGNS = str.maketrans(
    dict.fromkeys("\u2212\u207b\u2010\u2011\u2013\uff0d", "-") | dict.fromkeys("\u207a\uff0b", "+")
)
#: An isotope, as cytometers write it: ``147Sm``, ``Nd142``, ``Nd142Di``.
#: Only elements that label antibodies or cells count: ``IL-17A`` and ``HLA-B27`` are not isotopes.
_ELEMENT = (
    "(?:La|Ce|Pr|Nd|Pm|Sm|Eu|Gd|Tb|Dy|Ho|Er|Tm|Yb|Lu|Y|Rh|Pd|Ag|Cd|In|Sn|Te|Xe|Cs|Ba|Ir|Pt|Pb|Bi)"
)
_ISOTOPE = rf"(?:\d{{2,3}}{_ELEMENT}|{_ELEMENT}\d{{2,3}})(?:D[id])?"
#: What dyes such as PE pass their light on to: ``PE-Cy7``, ``PerCP/Cyanine5.5``, ``APC-H7``.
_TANDEM = (
    r"(?:[ /-]?cy(?:anine)?[ -]?[57](?:[.-]5)?|[ /-]?(?:cf|vio|fire|dazzle|ef(?:luor)?"
    r"|alexa(?: ?fluor)?|af)[ -]?\d{3}|-?[hr]7(?:00)?|[ -](?:texas[ -]?red|tr|vio))?"
)
#: The common dyes. Short names that could be anything else, such as PB, are left out.
_DYE = (
    rf"(?:fitc|(?:pe|percp|apc){_TANDEM}|(?:bv|buv|bb|rb|ry|sb|byg)[ -]?\d{{3}}|v450|v500"
    r"|brilliant (?:ultra ?)?(?:violet|blue)[ -]?\d{3}|(?:alexa(?:[ -]?fluor)?|af)[ -]?\d{3}"
    r"|(?:efluor|ef|super ?bright|qdot|qd)[ -]?\d{3}|pac(?:ific)?[ -]?(?:blue|orange)|amcyan"
    r"|krome[ -]?orange|ecd|pc[57](?:[.-]5)?|vio(?:blue|green|bright))"
)
#: What may precede a marker: an isotope, or a detector as in ``FITC-A :: CD3``.
_BEFORE = re.compile(rf"^(?:{_ISOTOPE}[\W_]+|.*\S\s*::\s*)")
#: What may follow it: an isotope, also in brackets, as in ``CD19(Nd142)Di``; a dye.
_BEHIND = re.compile(
    rf"(?:[\W_]+{_ISOTOPE}|\({_ISOTOPE}\)(?:D[id])?|(?i:[ _-]+{_DYE}(?:-[AHW])?))$"
)
#: What is no marker either: ``PE-Cy7``, ``Comp-FITC-A``, ``FL2 PE``.
_NO_MARKER = re.compile(rf"(?:comp(?:ensated)?|fl[ -]?\d+|{_DYE})?", re.IGNORECASE)


def plain_name(name: str) -> str:
    """A name without case, dashes and spaces.

    Example:
        >>> plain_name("HLA-DR"), plain_name("TCR gd")
        ('hladr', 'tcrgd')
    """
    return "".join(c for c in name.casefold().translate(GREEK) if c.isalnum() or c == "+")


def without_channel(name: str) -> str:
    """A marker as it is written, without the isotope, dye or detector beside it.

    Example:
        >>> [without_channel(name) for name in ("147Sm_CD-20", "CD4 BV605", "PE-Cy7-A")]
        ['CD-20', 'CD4', 'PE-Cy7-A']
    """
    bare = _BEHIND.sub("", _BEFORE.sub("", name.strip()))
    return name if _NO_MARKER.fullmatch(bare) else bare


def bare_name(name: str) -> str:
    """A plain name without the channel beside it.

    Example:
        >>> bare_name("147Sm_CD-20"), bare_name("CD19(Nd142)Di"), bare_name("Comp-FITC-A :: CD3")
        ('cd20', 'cd19', 'cd3')
    """
    return plain_name(without_channel(name)) or plain_name(name)


def with_plain_signs(name: str) -> str:
    """A name with ``+`` and ``-`` as on a keyboard, in place of superscripts and long dashes."""
    return name.translate(_SIGNS)
