import asyncio
import os

from headrace.app.reload import changes, times


async def next_change(folder, change):
    watching = changes(folder, interval=0.01)
    found = asyncio.create_task(watching.__anext__())
    await asyncio.sleep(0.05)
    assert not found.done()
    change()
    paths = await asyncio.wait_for(found, 5)
    await watching.aclose()
    return [path.name for path in paths]


async def test_a_file_that_changes_is_noticed(tmp_path):
    file = tmp_path / "shop.py"
    file.write_text("")
    assert await next_change(tmp_path, lambda: os.utime(file, ns=(1, 1))) == ["shop.py"]


async def test_a_file_that_comes_or_goes_is_noticed(tmp_path):
    assert await next_change(tmp_path, lambda: (tmp_path / "new.py").write_text("")) == ["new.py"]
    assert await next_change(tmp_path, (tmp_path / "new.py").unlink) == ["new.py"]


def test_only_python_files_of_the_project_count(tmp_path):
    for name in ("a.py", "b.txt", ".git/c.py", "node_modules/d.py", "env/lib/e.py", "pkg/f.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "env" / "pyvenv.cfg").touch()
    assert {path.name for path in times(tmp_path)} == {"a.py", "f.py"}
