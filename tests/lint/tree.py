"""The tree as the lints see it: files that git knows or would add; in a folder without git, all of them."""
import fnmatch
import pathlib
import subprocess


class Tree:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self._names = self._list()

    def _list(self):
        if not (self.root / ".git").exists():
            return [str(p.relative_to(self.root)) for p in sorted(self.root.rglob("*")) if p.is_file()]
        out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=self.root, text=True, capture_output=True, check=True)
        return [name for name in out.stdout.splitlines() if (self.root / name).is_file()]

    def files(self, *patterns):
        """Names below the root that match a pattern; * also matches slashes."""
        return [name for name in self._names if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]

    def text(self, name):
        return (self.root / name).read_text(errors="replace")

    def folders(self, below):
        return sorted({name.split("/")[1] for name in self._names if name.startswith(below + "/") and name.count("/") > 1})
