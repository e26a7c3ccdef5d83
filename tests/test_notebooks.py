"""The notebooks run from top to bottom, here on a small study of the demo reviews."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from weft.config import DataSettings
from weft.data.sources import load

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
NOTEBOOK = NOTEBOOKS / "sst2_lora.ipynb"
HOW_MANY = NOTEBOOKS / "how_many_labels.ipynb"
SMALL = """
data, backbone = "demo", "minilm"
settings = {"sizes": [32, 64], "seeds": 1, "methods": ["lora", "tfidf"], "recipe": {"epochs": 2}}
"""


OWN = """
csv, target = "reviews.csv", 0.90
settings = {"sizes": [24, 48], "seeds": 1, "methods": ["lora", "tfidf"], "recipe": {"epochs": 1}}
"""


def run(path: Path, place: Path, parameters: str) -> Any:
    """A notebook after it ran in a folder, with other parameters than it was kept with."""
    notebook = nbformat.read(path, as_version=4)
    tagged = {tag: cell for cell in notebook.cells for tag in cell.metadata.get("tags", [])}
    assert tagged["working-dir"].source.count("\n") == 0, "the folder is set in one line"
    tagged["working-dir"].source = f'working_dir = "{(place / "study").as_posix()}"'
    tagged["parameters"].source = parameters
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(place)}}).execute()
    return notebook


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path) -> None:
    notebook = run(NOTEBOOK, tmp_path, SMALL)
    assert "notebook, test" in str([cell.get("outputs") for cell in notebook.cells])
    assert (tmp_path / "study" / "results.md").exists()
    assert (tmp_path / "study" / "best-model" / "adapter_model.safetensors").exists() or (
        tmp_path / "study" / "best-model" / "weft.json"
    ).exists()
    pictures = [o for c in notebook.cells for o in c.get("outputs", []) if "image/png" in str(o)]
    assert len(pictures) >= 4


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_how_many_labels_takes_a_file_of_ones_own(tmp_path: Path) -> None:
    demo = load(DataSettings(source="demo"))
    rows = zip(demo.train.texts[:120], demo.train.labels[:120].tolist(), strict=True)
    with (tmp_path / "reviews.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    notebook = run(HOW_MANY, tmp_path, OWN)
    shown = str([cell.get("outputs") for cell in notebook.cells])
    assert "48 training examples" in shown
    assert "image/png" in shown
    assert (tmp_path / "study" / "results.md").exists()


def test_how_many_labels_was_kept_after_a_run() -> None:
    notebook = nbformat.read(HOW_MANY, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code), "the kept notebook was run to its end"
    outputs = str([cell.outputs for cell in code])
    assert "800 training examples" in outputs
    assert "image/png" in outputs
    assert "/tmp/" not in outputs


def test_the_kept_outputs_come_from_the_real_study() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code), "the kept notebook was run to its end"
    outputs = str([cell.outputs for cell in code])
    assert "36 runs" in outputs
    assert "56,000" in outputs
    assert outputs.count("image/png") >= 4
