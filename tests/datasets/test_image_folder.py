import numpy as np
import pytest

from cnnfast.datasets import image_folder, pictures

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def folder(tmp_path):
    for label, name in enumerate(("cat", "dog")):
        (tmp_path / name).mkdir()
        for index in range(10):
            value = np.full((9, 12, 3), 100 * label + index, np.uint8)
            suffix = "png" if index % 2 else "jpg"
            Image.fromarray(value).save(tmp_path / name / f"{index}.{suffix}")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme.txt").write_text("no picture")
    return tmp_path


def test_reads_every_class(folder, capsys):
    (x, y), (x_test, y_test) = image_folder.load_data(folder, size=(6, 8), test_share=0.2)
    assert x.shape == (16, 6, 8) and x_test.shape == (4, 6, 8)
    assert x.dtype == y.dtype == np.uint8
    assert np.bincount(y).tolist() == [8, 8] and np.bincount(y_test).tolist() == [2, 2]
    assert x[y == 0].max() < 20 and x[y == 1].min() > 90
    assert image_folder.class_names(folder) == ["cat", "dog"]
    assert "16 training and 4 test images of 2 classes" in capsys.readouterr().out


def test_colour(folder):
    (x, _), _ = image_folder.load_data(folder, size=(4, 4), channels=3)
    assert x.shape[1:] == (4, 4, 3)


def test_bad_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        image_folder.load_data(tmp_path / "none")
    with pytest.raises(ValueError, match="at least 2; found 0"):
        image_folder.load_data(tmp_path)
    with pytest.raises(ValueError, match="test_share"):
        image_folder.load_data(tmp_path, test_share=1.5)


def test_bad_pictures(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        pictures.read_picture(tmp_path / "none.png")
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    with pytest.raises(ValueError, match="cannot be read"):
        pictures.read_picture(bad)
    Image.fromarray(np.zeros((50, 50), np.uint8)).save(bad)
    bad.write_bytes(bad.read_bytes()[:60])
    with pytest.raises(ValueError, match="cannot be read"):
        pictures.read_picture(bad)
    with pytest.raises(ValueError, match="channels must be 1 or 3"):
        pictures.read_picture(bad, channels=2)


def test_transparency_is_paper(tmp_path):
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[1, 1] = (0, 0, 0, 255)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    picture = pictures.read_picture(tmp_path / "a.png")[..., 0]
    assert picture[1, 1] == 0 and picture[0, 0] == 255
