"""What the usual definitions of immune cells say of their markers.

A few definitions on which the field agrees, of populations that a name states plainly. They follow
the Human Immunology Project (Maecker et al. 2012, https://doi.org/10.1038/nri3158), with a few
markers that any textbook adds: CD45, the T cell receptors, and NK1.1 of mice. What
differs between tissues, states and species is left out: CD38 of plasma cells, CD27 of memory B
cells, CD11c of plasmacytoid dendritic cells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from unicodedata import normalize

from scyan_exp.data.names import GREEK, bare_name, with_plain_signs


@dataclass(frozen=True)
class Phenotype:
    """A definition: cells with this name have these signs.

    Attributes:
        kind: what the cells are.
        name: a pattern of whole words, in lower case and apart: ``b`` is in "B-IgDposCD27neg".
        signs: as the field writes them: ``CD3+ CD19-``.
        of: of a subset, the lineage that the name must tell too.
        but: a pattern that must be nowhere in the name.
    """

    kind: str
    name: str
    signs: str
    of: str = ""
    but: str = ""


T, B, NK, MONO, DC = "T cells", "B cells", "NK cells", "monocytes", "dendritic cells"
#: Words that name T cells behind CD4 or CD8: "CD4-Naive".
_AFTER_CD4 = "naive|cm|em|emra|eff|central|effector|memory|activated"
_MONO, _DC = r"mono(?:cyte)?s?", r"(?:dcs?\d?|dendritic cells?)"

LINEAGES = (
    Phenotype(
        T,
        rf"t|nk ?t|tcd[48]|cd[48]a?(?:\+|pos)? (?:{_AFTER_CD4})|tnaive|t[ce]m|te?mra|t ?regs?|tfh"
        r"|th\d*|mait|(?:gd|yd) ?tcr|tcr ?(?:gd|yd)",
        "CD45+ CD3+ CD19- CD20- CD14- IgD-",
    ),
    Phenotype(B, "b", "CD45+ CD19+ CD20+ CD3- CD14- CD16- CD56- TCRab- TCRgd-"),
    Phenotype(NK, "nk(?! ?t)", "CD45+ CD56+ NK1.1+ CD3- CD19- CD20- CD14- TCRab- TCRgd- IgD-"),
    Phenotype(MONO, _MONO, "CD45+ HLA-DR+ CD3- CD19- CD20- TCRab- TCRgd-"),
    Phenotype(DC, rf"(?:[pmc] ?)?{_DC}", "CD45+ HLA-DR+ CD3- CD19- CD20- CD56- TCRab- TCRgd-"),
    Phenotype(
        "basophils", "baso(?:phil)?s?", "CD123+ HLA-DR- CD3- CD19- CD20- CD14- TCRab- TCRgd-"
    ),
)
#: Where two of them speak of a marker, the later one counts.
SUBSETS = (
    # Of two of them, as in "CD4-CD8- T cells", a dash may be a sign.
    Phenotype(
        "CD4 T cells", r"t?cd4(?:\+|pos)?", "CD4+ CD8- TCRab+ TCRgd-", of=T, but=r"cd8(?!\d)"
    ),
    Phenotype(
        "CD8 T cells", r"t?cd8a?(?:\+|pos)?", "CD8+ CD4- TCRab+ TCRgd-", of=T, but=r"cd4(?!\d)"
    ),
    Phenotype("gamma-delta T cells", "gd|yd|tcrgd|tcryd|gamma delta", "TCRgd+ TCRab-", of=T),
    # Invariant ones have either sign.
    Phenotype("NKT cells", "nk ?t", "CD56+ NK1.1+", of=T, but=r"\bi |invar|cd1d|va24|nk ?t ?\d"),
    Phenotype("naive T cells", "t?naive", "CD45RA+ CD45RO- CCR7+ CD62L+ CD27+", of=T),
    # "TEM" is left out: some tables call transitional memory cells so.
    Phenotype(
        "central memory T cells", "t?cm|central memory", "CD45RA- CD45RO+ CCR7+ CD62L+", of=T
    ),
    Phenotype(
        "effector memory T cells",
        "em|effector memory",
        "CD45RA- CD45RO+ CCR7-",
        of=T,
        but=r"terminal|\bra\b|cd45ra",
    ),
    Phenotype("TEMRA cells", "te?mra|emra|effector memory ra", "CD45RA+ CD45RO- CCR7-", of=T),
    Phenotype("effector T cells", "eff|effector(?! memory)", "CCR7-", of=T, but="reg"),
    Phenotype(
        "regulatory T cells", "t ?regs?|regulatory t", "CD25+ CD127-", of=T, but=r"tr1|cd8(?!\d)"
    ),
    Phenotype("naive B cells", "naive", "IgD+ CD27-", of=B, but="memory"),
    Phenotype("CD56bright NK cells", "cd56 ?(?:bright|hi|high)", "CD16-", of=NK, but="dim"),
    Phenotype("CD56dim NK cells", "cd56 ?(?:dim|lo|low)", "CD16+", of=NK, but="bright"),
    Phenotype("classical monocytes", rf"(?<!non )(?:c|classical) {_MONO}", "CD14+ CD16-", of=MONO),
    Phenotype("non-classical monocytes", rf"(?:nc|non ?classical) {_MONO}", "CD16+", of=MONO),
    Phenotype("plasmacytoid dendritic cells", rf"(?:p|plasmacytoid) ?{_DC}", "CD123+ CD14-", of=DC),
    Phenotype("myeloid dendritic cells", rf"(?:[mc]|myeloid|conventional) ?{_DC}", "CD11c+", of=DC),
)
#: Other names of the markers in these definitions.
_ALSO = {
    "cd3e": "cd3",
    "cd8a": "cd8",
    "cd8b": "cd8",
    "cd197": "ccr7",
    "tcrb": "tcrab",
    "abtcr": "tcrab",
    "tcryd": "tcrgd",
    "gdtcr": "tcrgd",
}
#: Words of cells that are several kinds, or not (yet, any longer) what another word says, and of
#: other things than cells: "T zone", "cluster B".
_OTHERS = re.compile(
    r"\b(?:not|no|other|rest|without|lack|lin|or|and|vs|incl|doublets?|debris|dead|like"
    r"|pre|pro|early|immature|precursors?|progenitors?|thym\w*|dp|t bet|hematogones?|primed|lineage"
    r"|frac\w*|cd(?:10|34|138)(?:\+|pos|hi)?|cd38(?:hi|high|bright|\+\+)|plasma(?!cytoid)\w*|asc"
    r"|secreting|pc|pb|\w*(?:leuk|lymphom|myelom|neoplas|tumou?r|malign|cancer|blast)\w*"
    r"|aml|all|cll|mm|lbl|mdscs?|macrophages?|neutrophils?|granulocytes?|follicular dendritic|fdcs?"
    r"|zone|area|strom\w*|reticular|cluster|subset|population|type|granzyme|gzm|nf|kb)\b"
)
_NON = re.compile(r"\bnon (?!classical)(?:tcr ?)?[a-z0-9]+(?: cells?)?")


@dataclass(frozen=True)
class Usual:
    """The sign of a marker by definition.

    Attributes:
        sign: 1 or -1.
        kind: of which cells.
    """

    sign: int
    kind: str


def usual_sign(population: str, marker: str) -> Usual | None:
    """The sign that cells of this name have by definition; None if there is none.

    In 11 tables, the shared ones among them, 687 of 1,896 entries have such a sign, and none the
    opposite one.

    Example:
        >>> usual_sign("CD4-CM", "CD45RA")
        Usual(sign=-1, kind='central memory T cells')
    """
    return _signs(population).get(_marker(marker))


def is_defined(population: str) -> bool:
    """Whether a name tells cells of which there is a definition."""
    return bool(_signs(population))


@lru_cache(maxsize=1024)
def _signs(population: str) -> dict[str, Usual]:
    """What is usual, but for the markers of which the name itself speaks: "CD14mid"."""
    words = _words(population)
    signs = {
        _marker(marker): Usual(1 if sign == "+" else -1, one.kind)
        for one in _definitions(words)
        for marker, sign in re.findall(r"(\S+)([+-])", one.signs)
    }
    together = words.replace(" ", "")
    named = [marker for marker in signs if re.search(rf"{marker}(?!\d)", together)]
    return {marker: usual for marker, usual in signs.items() if marker not in named}


def _definitions(words: str) -> Iterator[Phenotype]:
    """The definitions of the cells that a name tells, the broad one first."""
    lineages = [one for one in LINEAGES if _tells(words, one)]
    if len(lineages) != 1 or _OTHERS.search(words):
        return
    yield lineages[0]
    yield from (one for one in SUBSETS if one.of == lineages[0].kind and _tells(words, one))


def _tells(words: str, one: Phenotype) -> bool:
    if one.but and re.search(one.but, words):
        return False
    return re.search(rf"(?<![a-z0-9+])(?:{one.name})(?![a-z0-9+])", words) is not None


def _words(population: str) -> str:
    """The words of a name, apart: ``Non-B cells_NK`` is "nk", ``mDCs`` "m dcs"."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", with_plain_signs(population).translate(GREEK))
    several = re.sub(r"[/&,;|]| \+ ", " or ", apart)
    signs = re.sub(r"-(?!\w)|[ -](?:neg(?:ative)?|minus)\b", "neg ", several.casefold())
    plain = re.sub(r"\u0308", "", normalize("NFD", signs))  # naive with a diaeresis
    return _NON.sub("", re.sub(r"[^a-z0-9+]+", " ", plain)).strip()


@lru_cache(maxsize=1024)
def _marker(name: str) -> str:
    """A marker without case, dashes and dye, by its usual name: ``CD8a FITC`` is "cd8"."""
    plain = bare_name(name)
    return _ALSO.get(plain, plain)
