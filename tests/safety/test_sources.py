"""Nothing in the sources runs what it reads."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("rankiqa", "data_gen", "train", "eval")
SOURCES = [ROOT / "hubconf.py", *(path for name in FOLDERS for path in sorted((ROOT / name).rglob("*.py")))]
# Names that run what they are given, or read what can; a call's keywords make the difference for some.
FORBIDDEN_IMPORTS = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "shelve",
    "marshal",
    "code",
    "codeop",
    "runpy",
}
FORBIDDEN_CALLS = {
    *(
        "eval",
        "exec",
        "compile",
        "__import__",
        "os.system",
        "os.popen",
        "os.execv",
        "os.spawnl",
        "subprocess.getoutput",
    ),
    *("yaml.unsafe_load", "yaml.full_load", "yaml.load_all", "pd.read_pickle", "pandas.read_pickle", "joblib.load"),
    *("torch.hub.load", "torch.jit.load", "torch.package", "torch.load", "np.load", "numpy.load", "yaml.load"),
}
ALLOWED = {
    # The loader is PyYAML's safe one without timestamps.
    ("rankiqa/yaml_file.py", "yaml.load"),
}
FROM_TABLES = {"rankiqa/cli/installation.py", "rankiqa/lazy.py", "rankiqa/ranks/online.py"}
FORBIDDEN_KEYWORDS = {("shell", True), ("allow_pickle", True), ("weights_only", False), ("trust_remote_code", True)}


def faults(source: str, name: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            found += [module for module in modules if module.split(".")[0] in FORBIDDEN_IMPORTS]
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        keywords = {k.arg: k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)}
        safe = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False)}.get(called)
        harmless = safe is not None and keywords.get(safe[0]) is safe[1]
        if called in FORBIDDEN_CALLS and not harmless and (name, called) not in ALLOWED:
            found.append(called)
        found += [f"{called}({key}={value})" for key, value in keywords.items() if (key, value) in FORBIDDEN_KEYWORDS]
    return found


def test_the_sources_call_nothing_that_runs_what_it_reads():
    assert len(SOURCES) > 50
    found = {str(path.relative_to(ROOT)): faults(path.read_text(), str(path.relative_to(ROOT))) for path in SOURCES}
    assert not {path: names for path, names in found.items() if names}


def test_the_search_finds_what_it_looks_for():
    for line in (
        *("import pickle", "from pickle import load", "import dill as json", "eval(x)", "exec('x')", "torch.load(x)"),
        *(
            "torch.load(x, weights_only=False)",
            "np.load(x)",
            "np.load(x, allow_pickle=True)",
            "yaml.load(x, yaml.Loader)",
        ),
        *("subprocess.run(x, shell=True)", "os.system(x)", "joblib.load(x)", "f(x, trust_remote_code=True)"),
    ):
        assert faults(line, "x.py"), line
    assert not faults("np.load(x, allow_pickle=False)", "x.py")
    assert not faults("torch.load(x, weights_only=True); model.eval(); re.compile(x); yaml.safe_load(x)", "x.py")


def test_a_module_is_imported_by_name_only_from_tables_in_the_source():
    """The commands out of `COMMANDS`, their trainers out of `TrainingCommand`, and PyTorch by the doctor.

    And a package's own modules out of what it gives `on_demand`, and the libraries of distortions out of `_LIBRARIES`.
    """
    users = {path.relative_to(ROOT).as_posix() for path in SOURCES if "import_module" in path.read_text()}
    assert {path for path in users if not path.startswith("rankiqa/cli/")} <= FROM_TABLES
