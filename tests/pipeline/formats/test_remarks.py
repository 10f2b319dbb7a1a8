"""Remarks: sentences that keep their template."""

from __future__ import annotations

from copy import deepcopy

from pipeline.formats.remarks import Remark


def test_a_copy_is_the_same_whatever_braces_a_file_has_put_into_it():
    remark = Remark('There is no tweet "{id}" here.', id="{x} {0} {")
    copied = deepcopy(remark)
    assert (copied, copied.template, copied.facts) == ('There is no tweet "{x} {0} {" here.', remark.template, remark.facts)
