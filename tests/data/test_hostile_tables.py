"""Tables of any bytes are read, or refused in words."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from scyan_exp.data import KnowledgeTable, load_table
from scyan_exp.errors import InputError
from tests.conftest import TABLE

MARKS = st.sampled_from([b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"PK\x03\x04", b"\0"])
CELLS = st.sampled_from(
    ["1", "-1", "", "NA", "+", "nan", "inf", "1e400", "CD3", "#", '"', "\0", "é"]
)


@st.composite
def tables(draw) -> bytes:
    """Rows of any cells, of any lengths, in any encoding."""
    text = io.StringIO()
    rows = draw(st.lists(st.lists(CELLS | st.text(max_size=4), max_size=5), max_size=6))
    kind = csv.writer(text, delimiter=draw(st.sampled_from(",;\t")), escapechar="\\")
    kind.writerows(rows)
    return text.getvalue().encode(draw(st.sampled_from(["utf-8", "utf-16"])), "surrogatepass")


def read(path: Path) -> KnowledgeTable | InputError:
    """The table, or what is wrong with it."""
    try:
        return load_table(path)
    except InputError as error:
        return error


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(MARKS, st.binary(max_size=200) | tables())
@example(b"", TABLE.encode() * 500)
@example(b"", b"a," * 200_000)
@example(b"", b"a,b\n" + b"x" * 200_000 + b",1\n")
@example(b"", b'a,b\n"' + b"x\n" * 70_000)
@example(b"", TABLE.replace("1", "9" * 5000).encode())
@example(b"", TABLE.replace("\n", "\r").encode())
@example(b"", b"\x0c\n\x1c")
@example(b"", b'"')
@example(b"", b";;\n;")
def test_any_bytes_are_read_or_refused(tmp_path, mark, content):
    path = tmp_path / "table.csv"
    path.write_bytes(mark + content)
    found = read(path)
    if isinstance(found, InputError):
        assert str(path) in str(found)
    else:
        assert found.populations
        assert found.rho.shape == (len(found.populations), len(found.markers))
