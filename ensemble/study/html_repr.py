"""Values as small HTML tables, as a notebook shows them."""

import html
from collections.abc import Sequence

MOST_ROWS = 40


def html_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], note: str = "") -> str:
    """Return a table as HTML; every text in it is escaped, and of more than 40 rows the first and last 20 are shown.

    A cell that is a string stands left, any other right; None is a dash.
    """
    shown = list(rows) if len(rows) <= MOST_ROWS else [*rows[: MOST_ROWS // 2], None, *rows[-MOST_ROWS // 2 :]]
    left_out = f"{len(rows) - MOST_ROWS:,} rows are not shown"
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    body = "".join(
        f'<tr><td colspan="{len(columns)}">{left_out}</td></tr>'
        if row is None
        else f"<tr>{''.join(_cell(cell) for cell in row)}</tr>"
        for row in shown
    )
    foot = f"<p>{html.escape(note)}</p>" if note else ""
    return (
        f"<div><p><b>{html.escape(title)}</b></p><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>{foot}</div>"
    )


def _cell(value: object) -> str:
    if value is None:
        return "<td>-</td>"
    side = "left" if isinstance(value, str) else "right"
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return f'<td style="text-align:{side}">{html.escape(text)}</td>'


def percent(share: float | None) -> str | None:
    """Return a fraction as percent with one digit; None where it is None or NaN."""
    return None if share is None or share != share else f"{100 * share:.1f}"
