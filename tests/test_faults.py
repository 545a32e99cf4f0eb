"""Every deliberate fault of tests/faults.py still has its place and its tests; `python tests/faults.py` tries them."""

import re

import pytest
from faults import FAULTS, ROOT, CannotApply, Fault, place_of

TESTS = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")}


def test_names_are_unique() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) > 100


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_has_its_place_and_its_tests(fault: Fault) -> None:
    path = place_of(fault, ROOT)
    compile(path.read_text(encoding="utf-8").replace(fault.old, fault.new), str(path), "exec")
    files = fault.files.split()
    assert files and not set(files) - set(TESTS), "files of tests that are not there"
    # A word is part of a test's name, or of a case's name in a list of cases.
    words = set(re.findall(r"\w+", fault.words)) - {"and", "or", "not"}
    assert not {word for word in words if not any(word in TESTS[file].lower() for file in files)}, "words of no test"


def test_a_fault_without_a_place_is_noticed() -> None:
    for old in ("nobody writes this", "import"):
        with pytest.raises(CannotApply, match="times in the packages"):
            place_of(Fault("f", "ensemble", "nothing", old, "", "test_faults.py"), ROOT)
