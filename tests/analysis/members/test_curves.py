"""Lines of histories: what stands where, what is a step, what a group's middle is."""

import numpy as np
import pytest
from studies import history

from analysis.members.curves import by_member, curves
from ensemble.errors import BadInput


def test_a_member_keeps_its_own_points_and_gaps() -> None:
    (line,) = by_member([history("m", [0.1, np.nan, 0.4, 0.3])]).series
    assert line.x.tolist() == [1, 2, 3, 4]
    assert line.middle["val_accuracy"][[0, 2, 3]].tolist() == [0.1, 0.4, 0.3]
    assert np.isnan(line.middle["val_accuracy"][1])
    assert (line.best, line.last, line.cut) == ((3, 0.4), (4, 0.3), False)


def test_images_seen_are_those_told_or_epochs_times_train() -> None:
    told = history("told", [0.1, 0.2], seen=[300, 600])
    silent = history("silent", [0.1, 0.2], seen=[0, 0])  # what a resumed old history says
    old = history("old", [0.1, 0.2])
    lines = by_member([told, silent, old], along="images", train=100).series
    assert [line.x.tolist() for line in lines] == [[300, 600], [100, 200], [100, 200]]
    with pytest.raises(BadInput, match=r"old: its history has no column images_seen .* use x='epochs'"):
        by_member([old], along="images")


def test_a_group_is_its_middle_and_range_up_to_where_the_first_ends() -> None:
    found = [history("a", [0.1, 0.2, 0.9]), history("b", [0.3, 0.6]), history("c", [0.2, 0.1])]
    (line,) = curves([("g", found)]).series
    assert line.x.tolist() == [1, 2]
    assert line.middle["val_accuracy"] == pytest.approx([0.2, 0.3])
    assert (line.low["val_accuracy"].tolist(), line.high["val_accuracy"].tolist()) == ([0.1, 0.1], [0.3, 0.6])
    assert (line.cut, line.best, line.last) == (True, None, None)
    (median,) = curves([("g", found)], middle="median").series
    assert median.middle["val_accuracy"].tolist() == [0.2, 0.2]


def test_different_places_are_read_off_the_straight_lines_between() -> None:
    one = history("a", [0.0, 0.4], seen=[100, 300])
    two = history("b", [0.2, 0.2, 0.2], seen=[100, 200, 300])
    (line,) = curves([("g", [one, two])], along="images").series
    assert line.x.tolist() == [100, 200, 300]
    assert line.middle["val_accuracy"] == pytest.approx([0.1, 0.2, 0.3])


def test_what_only_some_measured_is_theirs() -> None:
    found = [history("a", [np.nan, np.nan]), history("b", [0.3, 0.6])]
    (line,) = curves([("g", found)]).series
    assert line.middle["val_accuracy"].tolist() == [0.3, 0.6]


def test_steps_stand_where_the_epoch_at_the_old_rate_ended() -> None:
    stepped = history("s", [0.1] * 6, [0.1, 0.1, 0.1, 0.01, 0.01, 0.001])
    assert stepped.falls() is not None
    (line,) = by_member([stepped]).series
    assert (line.steps.tolist(), line.falling) == ([3, 5], False)
    (seen,) = by_member([stepped], along="images", train=50).series
    assert seen.steps.tolist() == [150, 250]


def test_a_rate_that_falls_all_the_time_has_no_steps() -> None:
    cosine = history("c", [0.1] * 5, [0.05, 0.1, 0.07, 0.03, 0.0])
    assert cosine.falls() is None
    (line,) = by_member([cosine]).series
    assert (len(line.steps), line.falling) == (0, True)


def test_common_steps_only_where_all_share_them() -> None:
    one, two = history("a", [0.1] * 4, [1, 1, 0.1, 0.1]), history("b", [0.1] * 4, [2, 2, 0.2, 0.2])
    common = by_member([one, two]).common_steps
    assert common is not None and common.tolist() == [2]
    assert by_member([one, history("c", [0.1] * 4)]).common_steps is None


def test_groups_with_nothing_in_common_have_no_line() -> None:
    early, late = history("a", [0.1, 0.2], seen=[10, 20]), history("b", [0.1], seen=[500])
    (line,) = curves([("g", [early, late])], along="images").series
    assert len(line.x) == 0


@pytest.mark.parametrize(("more", "said"), [({"along": "steps"}, "along must be"), ({"middle": "mode"}, "middle must")])
def test_unknown_words_are_refused(more: dict, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        curves([("g", [history("a", [0.1])])], **more)
