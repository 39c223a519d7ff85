import pytest

from spacy_globalpointer.evaluation import read_training_log

LINE = (
    '{"epoch": 0, "step": 5, "losses": {"a": 1.5}, "scores": {"f": 20.0}, "score": 0.2}'
)


def test_a_log_is_read(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(f"{LINE}\n\n{LINE}\n", encoding="utf8")
    rows = read_training_log(path)
    assert len(rows) == 2
    assert rows[0]["losses"] == {"a": 1.5} and rows[0]["step"] == 5


@pytest.mark.parametrize("line", ["{", "[1]", '{"epoch": 0}'])
def test_what_is_no_log(line, tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(f"{LINE}\n{line}\n", encoding="utf8")
    with pytest.raises(ValueError, match=r"log\.jsonl, line 2"):
        read_training_log(path)
