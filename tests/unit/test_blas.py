import numpy as np
import pytest

from banso import blas
from banso.blas import one_blas_thread


@pytest.fixture
def openblas():
    found = blas._openblas()
    if found is None:
        pytest.skip("this numpy has no OpenBLAS of its own")
    before = found.get()
    found.set(2)
    yield found
    found.set(before)


def test_one_thread_inside_and_as_many_as_before_outside(openblas):
    with one_blas_thread():
        assert openblas.get() == 1
        assert (np.eye(300) @ np.full((300, 300), 2.0) == 2.0).all()
    assert openblas.get() == 2


def test_restored_after_an_error(openblas):
    def fail():
        with one_blas_thread():
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert openblas.get() == 2


def test_a_run_takes_one_and_gives_them_back(openblas, accompanist, voice, monkeypatch):
    seen = []
    decode = accompanist.decode

    def watched(*args):
        seen.append(openblas.get())
        return decode(*args)

    monkeypatch.setattr(accompanist, "decode", watched)
    accompanist.accompany(voice)
    assert seen == [1]
    assert openblas.get() == 2


def test_without_such_a_library_nothing_happens(tmp_path, monkeypatch):
    (tmp_path / "libopenblas.so").write_bytes(b"no library")
    assert blas._functions(tmp_path / "libopenblas.so") is None
    monkeypatch.setattr(blas, "_openblas", lambda: None)
    with one_blas_thread():
        pass
