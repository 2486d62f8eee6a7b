import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from grader.datasets.bloodmnist import check_layout
from grader.errors import DataUnavailable

HERE = Path("bloodmnist.npz")


def with_member(npz: bytes, name: str, data: bytes | None) -> bytes:
    """Replace one member of an npz, add it, or leave it out (data None)."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(npz)) as old, zipfile.ZipFile(out, "w") as new:
        for member in old.namelist():
            if member != name:
                new.writestr(member, old.read(member))
        if data is not None:
            new.writestr(name, data)
    return out.getvalue()


def npy(array: np.ndarray, *, allow_pickle: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


def test_the_layout_of_medmnist_is_accepted(blank_bloodmnist):
    check_layout(blank_bloodmnist, path=HERE)


def test_a_missing_array_is_seen(blank_bloodmnist):
    with pytest.raises(DataUnavailable, match=r"bloodmnist\.npz holds test_images\.npy, .* were expected"):
        check_layout(with_member(blank_bloodmnist, "val_labels.npy", None), path=HERE)


def test_an_array_too_many_is_seen(blank_bloodmnist):
    with pytest.raises(DataUnavailable, match=r"holds extra\.npy, "):
        check_layout(with_member(blank_bloodmnist, "extra.npy", npy(np.zeros(3))), path=HERE)


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.zeros((1712, 1), dtype=np.float64), r"float64 \(1712, 1\)"),
        (np.zeros((1712,), dtype=np.uint8), r"uint8 \(1712,\)"),
        (np.zeros((3421, 1), dtype=np.uint8), r"uint8 \(3421, 1\)"),
    ],
)
def test_a_wrong_shape_or_dtype_is_named(blank_bloodmnist, array, found):
    npz = with_member(blank_bloodmnist, "val_labels.npy", npy(array))
    with pytest.raises(DataUnavailable, match=rf"val_labels\.npy in .* is {found}; expected uint8"):
        check_layout(npz, path=HERE)


class Trap:
    """Would raise if it were ever unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


def test_an_object_array_is_refused_and_never_unpickled(blank_bloodmnist):
    trap = npy(np.array([[Trap()]] * 1712, dtype=object), allow_pickle=True)
    with pytest.raises(DataUnavailable, match="is object"):
        check_layout(with_member(blank_bloodmnist, "val_labels.npy", trap), path=HERE)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 and nothing more", b"\x93NUMPY\x01\x00"])
def test_what_is_no_npz_is_refused(data):
    with pytest.raises(DataUnavailable, match="is not an npz file of plain arrays"):
        check_layout(data, path=HERE)


def test_a_member_that_is_no_array_is_refused(blank_bloodmnist):
    with pytest.raises(DataUnavailable, match="is not an npz file of plain arrays"):
        check_layout(with_member(blank_bloodmnist, "val_labels.npy", b"text"), path=HERE)
