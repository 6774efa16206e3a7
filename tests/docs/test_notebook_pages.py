"""Notebooks as pages, and links that lead to pages of the site."""

from __future__ import annotations

import json

import pytest

from scripts.docs.links import linked, page_of
from scripts.docs.notebooks import notebook_page


def notebook(path, *cells):
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}))
    return notebook_page(path)


def markdown(text):
    return {"cell_type": "markdown", "source": text}


def code(text, *outputs):
    return {"cell_type": "code", "source": text, "outputs": outputs}


def shown(**data):
    data = {name.replace("_", "/", 1): text for name, text in data.items()}
    return {"output_type": "execute_result", "data": data}


def test_words_code_and_outputs_stand_in_order(tmp_path):
    printed = {"output_type": "stream", "name": "stdout", "text": ["\x1b[1mone\x1b[0m\n", "two\n"]}
    page = notebook(
        tmp_path / "a.ipynb",
        markdown(["# Title\n", "\n", "Words."]),
        code("print(1)\n", printed),
        code("!scyan-exp ls"),
        code(""),
        markdown("## More"),
    )
    assert page == (
        '# Title\n\n<a href="a.ipynb" download>Download this notebook</a>\n\nWords.\n\n'
        "```python\nprint(1)\n```\n\n```{ .text .output .no-copy }\none\ntwo\n```\n\n"
        "```bash\n!scyan-exp ls\n```\n\n## More\n"
    )


def test_pictures_and_tables_are_shown_rather_than_their_text(tmp_path):
    table = '<style>x</style>\n<table border="1" class="dataframe">\n  <tr><td>1</td></tr></table>'
    page = notebook(
        tmp_path / "a.ipynb",
        markdown("# Title"),
        code("1", shown(text_plain="<Figure>", image_png="QUJD\n")),
        code("2", shown(text_plain="   a\n0  1", text_html=table)),
        code("3", shown(text_plain="'```'")),
    )
    assert "\n![](data:image/png;base64,QUJD)\n" in page
    assert '<div class="output"><table><tr><td>1</td></tr></table></div>' in page
    assert "````{ .text .output .no-copy }\n'```'\n````\n" in page
    assert "<Figure>" not in page


@pytest.mark.parametrize(
    ("page", "link", "there"),
    [
        ("data.md", "[a](trust.md#verdict)", "[a](trust.md#verdict)"),
        ("data.md", "[a](../README.md#your-own-cells)", "[a](index.md)"),
        ("data.md", "[a](../CHANGELOG.md)", "[a](changes.md)"),
        (
            "data.md",
            "[a\nb](../benchmarks/README.md#batches)",
            "[a\nb](benchmarks/README.md#batches)",
        ),
        ("data.md", "[`a`](tutorials/x.ipynb)", "[`a`](tutorials/x.md)"),
        ("tutorials/x.md", "[a](../trust.md) ![b](../images/report.png)", None),
        ("benchmarks/README.md", "[a](../docs/trust.md#verdict)", "[a](../trust.md#verdict)"),
        ("benchmarks/README.md", "[flops.py](flops.py)", "flops.py"),
        ("changes.md", "[a](docs/trust.md)", "[a](trust.md)"),
        ("data.md", "[a](../nowhere.py)", None),
        ("data.md", "[a](https://doi.org/10) [b](#here)", None),
        ("data.md", "```text\n[a](../CHANGELOG.md)\n```", None),
    ],
)
def test_links_of_the_repository_lead_to_pages_of_the_site(page, link, there):
    expected = link if there is None else there
    assert linked(f"\n{link}\n", page) == f"\n{expected}\n"


def test_a_file_that_is_no_page_has_none():
    assert page_of("scyan_exp/files.py") is None
    assert page_of("docs/trust.md") == "trust.md"
