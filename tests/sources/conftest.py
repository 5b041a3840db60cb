"What the tests of reading share."

import pytest


@pytest.fixture
def put(tmp_path):
    "Write a file, and say where it is."

    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write
