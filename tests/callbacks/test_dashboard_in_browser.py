"""What a person sees: headless Chromium opens `qstore dashboard` on the logs of a run."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import browser
from event_files import small_model, train


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, str]]:
    if browser.programs() is None:
        message = "chromium and chromedriver are not installed (apt-get install chromium-driver)"
        if os.environ.get("QSTORE_REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    run = tmp_path_factory.mktemp("run")
    train(small_model(), run, fit={"validation_split": 0.25}, every=2)
    with browser.dashboard(run) as url, browser.chromium() as driver:
        yield driver, url


def shows(driver: Any, *wanted: str) -> None:
    """Waits until all these texts are on the page."""

    def missing() -> set[str]:
        return set(wanted) - set(browser.texts(driver))

    try:
        browser.wait_for(lambda: not missing())
    except AssertionError:
        pytest.fail(f"not on the page: {missing()}; there is: {browser.texts(driver)}")


@pytest.mark.slow
def test_the_custom_scalars_page_has_the_layout_with_lines_drawn(board: tuple[Any, str]) -> None:
    driver, url = board
    browser.open_page(driver, url, "custom_scalars")
    shows(
        driver,
        "Training",
        "Quantum layer circuit",
        "Gradient variance (barren plateaus)",
        "Entanglement (Meyer-Wallach) and single-qubit purity",
        "Circuits per second",
    )

    def drawn() -> bool:
        lines = [p.get_attribute("d") or "" for p in browser.elements(driver, "path.line")]
        return sum("L" in line for line in lines) >= 3

    browser.wait_for(drawn)


@pytest.mark.slow
def test_the_scalars_page_has_a_chart_for_every_tag(board: tuple[Any, str]) -> None:
    driver, url = board
    browser.open_page(driver, url, "scalars&tagFilter=circuit")
    shows(
        driver,
        "circuit/gradient_norm",
        "circuit/gradient_variance",
        "circuit/observable_gradient_variance",
        "circuit/entanglement",
        "circuit/time_share",
    )


@pytest.mark.slow
def test_the_circuit_is_a_picture_that_loads(board: tuple[Any, str]) -> None:
    driver, url = board
    browser.open_page(driver, url, "images")
    shows(driver, "circuit/circuit")

    def loaded() -> bool:
        widths = [
            driver.execute_script("return arguments[0].naturalWidth", image)
            for image in browser.elements(driver, "img")
            if "/images/" in (image.get_attribute("src") or "")
        ]
        return bool(widths) and min(widths) > 200

    browser.wait_for(loaded)


@pytest.mark.slow
def test_texts_and_hyperparameters_are_there(board: tuple[Any, str]) -> None:
    driver, url = board
    browser.open_page(driver, url, "text")
    shows(driver, "circuit/circuit_text", "trained angles", "adjoint (auto)")
    browser.open_page(driver, url, "hparams")
    shows(driver, "n_qubits", "depth", "loss (train)", "loss (validation)")
