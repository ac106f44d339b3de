"""What a password must be."""

import pytest

from controller.identity.password import Fault, fault_of


@pytest.mark.parametrize(
    ("password", "fault"),
    [
        ("short", Fault.SHORT),
        ("x" * 201, Fault.LONG),
        ("qwertyuiop", Fault.COMMON),
        ("QwertyUiop", Fault.COMMON),
        ("MatKhau123456", Fault.COMMON),
        ("1234 567 890", Fault.COMMON),
        ("aaaaaaaaaaaaaaa", Fault.COMMON),
        ("ababababababab", Fault.COMMON),
        ("Nguyễn Thị Hà", Fault.OWN_NAME),
        ("nguyen.thi.ha", Fault.OWN_NAME),
        ("con mèo ngủ trên mái", None),
        ("only-letters-here", None),
    ],
)
def test_password_is_judged_by_its_length_and_by_whether_it_is_tried_first(password: str, fault: Fault | None) -> None:
    assert fault_of(password, ("nguyen.thi.ha", "Nguyễn Thị Hà")) is fault
