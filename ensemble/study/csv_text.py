"""Text in cells of CSV files: nothing that a spreadsheet would run, and back again."""

# What a spreadsheet takes for the beginning of a formula; the last four are the wide forms of East Asian keyboards.
STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def escaped(text: str) -> str:
    """Return text with an apostrophe in front where a spreadsheet would run it, or where one stands there already.

    `unescaped` takes it away again, so that no text is altered by going out and coming back.
    """
    return f"'{text}" if text.startswith((*STARTS, "'")) else text


def unescaped(cell: str) -> str:
    """Return the text of a cell that `escaped` may have written."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith((*STARTS, "'")) else cell
