import io

import pytest
from PIL import Image

from clarion.base.chart import Chart, Series


def lines(chart):
    return chart.draw().axes[0].get_lines()


def test_measured_points_are_dots_and_predictions_are_lines():
    series = [Series("a", [1, 2], [3, 4]), Series("b", [1, 2], [3, 4], "predicted", 1)]
    dots, line = lines(Chart("title", "x", "y", series))
    assert (dots.get_linestyle(), dots.get_marker()) == ("None", "o")
    assert (line.get_linestyle(), line.get_marker()) == ("-", "None")
    assert dots.get_color() != line.get_color()
    assert list(dots.get_ydata()) == [3, 4]


def test_logarithmic_axes_name_the_points_that_were_measured():
    chart = Chart("title", "x", "y", [Series("a", [16, 32, 64], [1, 0.5, 0.25])], True, True)
    axes = chart.draw().axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["16", "32", "64"]


def test_words_on_the_x_axis_are_drawn_as_bars():
    series = [Series("asked", ["50 %", "90 %"], [0.5, 0.9]), Series("got", ["50 %"], [0.4])]
    axes = Chart("title", "set", "coverage", series).draw().axes[0]
    assert [bar.get_height() for bar in axes.patches] == [0.5, 0.9, 0.4]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["50 %", "90 %"]


def test_it_is_a_png_with_its_title():
    chart = Chart("Order of heun", "steps", "error", [Series("a", [1], [2], error=[0.5])])
    with Image.open(io.BytesIO(chart.png())) as picture:
        assert picture.format == "PNG"
        assert picture.width > 500
    assert chart.draw().axes[0].get_title("left") == "Order of heun"


def test_series_of_unlike_lengths_are_refused():
    with pytest.raises(ValueError, match="as many x as y"):
        Series("a", [1, 2], [3])


@pytest.mark.parametrize("x", [[1.0, 2.0], ["one", "two"]])
def test_an_interval_may_be_uneven(x):
    series = Series("", x, [10.0, 20.0], error=[(1.0, 2.0), (3.0, 4.0)])
    (axes,) = Chart("t", "x", "y", [series]).draw().axes
    drawn = axes.collections[0].get_segments()
    assert [[y for _, y in ends] for ends in drawn] == [[9.0, 12.0], [17.0, 24.0]]


@pytest.mark.parametrize(
    ("x", "is_shown"), [([16, 32, 64], True), ([1, 100, 101], False), ([7], True)]
)
def test_numbers_stand_below_a_logarithmic_axis_where_they_have_room(x, is_shown):
    series = Series("", x, [1.0] * len(x))
    axes = Chart("t", "x", "y", [series], log_x=True).draw().axes[0]
    assert (list(axes.get_xticks()) == x) == is_shown
