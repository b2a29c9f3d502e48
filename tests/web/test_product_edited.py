"""A product file that the panel may not write: its text goes into the data folder, and counts there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge.errors import ConfigError, UseError
from edge.settings import load
from edge.web.product_desk import ProductDesk
from simulator.ports import free_port
from tests import confined, smallest_station
from tests.test_units_confined import under
from tests.web.process import PanelProcess
from tests.web.site import until

TEXT = 'version = 1\nname = "pump"\n\n[fields.serial]\npattern = "[A-Z0-9]{4,10}"\n'
LONGER = TEXT.replace("{4,10}", "{4,12}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A station whose product lies in a folder of its own."""
    products = tmp_path / "products"
    products.mkdir()
    (products / "pump.toml").write_text(TEXT)
    config = smallest_station.write(tmp_path)
    config.write_text(config.read_text().replace('name = "st"\n', 'name = "st"\nproduct = "pump"\n'))
    return tmp_path


def edited(folder: Path, text: str) -> Path:
    """The page's file, as a panel that may not write below /etc makes it."""
    desk = ProductDesk(folder / "edge.toml", "pump", folder / "products", folder / "data" / "products")
    desk._write_edited(text)
    return folder / "data" / "products" / "pump.toml"


def test_what_the_page_saved_counts(folder: Path) -> None:
    """A station works by the text that was saved in its data folder, and the editor shows it as it was written."""
    path = edited(folder, LONGER)
    desk = ProductDesk(folder / "edge.toml", "pump", folder / "products", folder / "data" / "products")
    shown = desk.now()

    assert load(folder / "edge.toml", {}).product_file.fields["serial"].pattern == "[A-Z0-9]{4,12}"
    assert (shown.path, shown.text) == (path, LONGER)


def test_saving_again_stays_in_the_data_folder(folder: Path) -> None:
    """Once a file lies there, it is the one that is changed, and it says again what it was made from."""
    path = edited(folder, LONGER)
    desk = ProductDesk(folder / "edge.toml", "pump", folder / "products", folder / "data" / "products")
    desk.save(TEXT, desk.now().sha256)

    assert path.read_text().partition("\n")[2] == TEXT
    assert (folder / "products" / "pump.toml").read_text() == TEXT
    assert load(folder / "edge.toml", {}).product_file.fields["serial"].pattern == "[A-Z0-9]{4,10}"


def test_two_files_that_disagree_stop_the_start(folder: Path) -> None:
    """Where the original is changed too, nobody knows which is meant: no start, and that file is named (L13)."""
    path = edited(folder, LONGER)
    (folder / "products" / "pump.toml").write_text(TEXT.replace("{4,10}", "{8}"))

    with pytest.raises(ConfigError, match="two files say what this product is") as refused:
        load(folder / "edge.toml", {})
    assert str(path) in str(refused.value)

    path.unlink()

    assert load(folder / "edge.toml", {}).product_file.fields["serial"].pattern == "[A-Z0-9]{8}"


def test_a_product_that_is_named_by_its_file_has_no_second_one(folder: Path) -> None:
    """Whoever names a file means that file: where it cannot be written, the editor says what to do."""
    file = folder / "products" / "pump.toml"
    desk = ProductDesk(folder / "edge.toml", str(file), folder / "products", folder / "data" / "products")
    before = desk.now()
    (folder / "products").rename(folder / "moved")
    (folder / "products").write_text("no folder")

    with pytest.raises((UseError, ConfigError)):
        desk.save(LONGER, before.sha256)
    assert not (folder / "data" / "products").exists()


@pytest.mark.timeout(300)
def test_an_installed_panel_saves_a_product_file_inside_its_unit(folder: Path) -> None:
    """Under its unit's own rules /etc is read-only: the text lies in the state folder, and counts at the next start."""
    folder.chmod(0o755)
    for name in ("data", "run"):
        (folder / name).mkdir(mode=0o700)
        os.chown(folder / name, confined.USER_ID, confined.USER_ID)
    port = free_port()
    config = folder / "edge.toml"
    (folder / "token").write_text("open-sesame")
    config.write_text(f'{config.read_text()}[panel]\nport = {port}\ntoken_file = "token"\n')
    command = under("edge-panel.service", folder, sys.executable, "-m", "edge", "panel", "--config", str(config))
    with (folder / "panel.log").open("wb") as log:
        child = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            until(lambda: child.poll() is not None or b"panel ready" in (folder / "panel.log").read_bytes())
            panel = PanelProcess(port, child.pid, folder)
            token = {"authorization": "Bearer open-sesame", "content_type": "application/json"}
            _, _, told = panel.ask("GET", "/v1/setup/product", None, **token)
            body = json.dumps({"text": LONGER, "sha256": json.loads(told)["sha256"]}).encode()
            status, _, saved = panel.ask("PUT", "/v1/setup/product", body, **token)
        finally:
            os.killpg(child.pid, signal.SIGTERM)
            child.wait(20)

    assert status == 200, saved
    assert json.loads(saved)["path"] == str(folder / "data" / "products" / "pump.toml")
    assert json.loads(saved)["taken_up"] is False
    assert (folder / "products" / "pump.toml").read_text() == TEXT
    assert load(config, {}).product_file.fields["serial"].pattern == "[A-Z0-9]{4,12}"
