"""The notebooks run from top to bottom, here on a small study of the demo reviews."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "sst2_lora.ipynb"
SMALL = """
data, backbone = "demo", "minilm"
settings = {"sizes": [32, 64], "seeds": 1, "methods": ["lora", "tfidf"], "recipe": {"epochs": 2}}
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    tagged = {tag: cell for cell in notebook.cells for tag in cell.metadata.get("tags", [])}
    assert tagged["working-dir"].source.count("\n") == 0, "the folder is set in one line"
    tagged["working-dir"].source = f'working_dir = "{(tmp_path / "study").as_posix()}"'
    tagged["parameters"].source = SMALL
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert "notebook, test" in str([cell.get("outputs") for cell in notebook.cells])
    assert (tmp_path / "study" / "results.md").exists()
    assert (tmp_path / "study" / "best-model" / "adapter_model.safetensors").exists() or (
        tmp_path / "study" / "best-model" / "weft.json"
    ).exists()
    pictures = [o for c in notebook.cells for o in c.get("outputs", []) if "image/png" in str(o)]
    assert len(pictures) >= 4


def test_the_kept_outputs_come_from_the_real_study() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code), "the kept notebook was run to its end"
    outputs = str([cell.outputs for cell in code])
    assert "36 runs" in outputs
    assert "56,000" in outputs
    assert outputs.count("image/png") >= 4
