"""Run in a student's kernel before each graded cell: put back what the tests rely on.

A notebook may rebind ``np.allclose``, a builtin, or anything in `attnbook`, by mistake or not; and
IPython lets it change each cell before it runs. The grader runs the text of this file once before
the first cell, when it notes what is there, and again before and after each test, when it puts that
back and answers what it found changed. Names in the notebook that hide a builtin are deleted.

What it cannot do: it lives in the same process as the student's code, and code that knows of it can
undo it. The instructor's guide says so.
"""

import builtins
import contextlib
import importlib
import sys
import types

WATCHED = ("builtins", "math", "numpy", "numpy.linalg", "numpy.testing")
FREE = ("_", "display", "get_ipython", "__builtins__", "__warningregistry__")  # IPython's own
PLACE = "_noted_before_the_first_cell"


def note(imports, namespace):
    """Import what the tests import; remember what watched modules, functions, classes hold."""
    for name in imports:
        with contextlib.suppress(ImportError):  # the test itself will say so
            importlib.import_module(name)
    held, codes, classes, tables = [], [], [], []
    shell = namespace["get_ipython"]() if "get_ipython" in namespace else None
    for name, module in sorted(sys.modules.items()):
        if name not in WATCHED and name.split(".")[0] != "attnbook":
            continue
        before = {key: value for key, value in vars(module).items() if key not in FREE}
        held.append((name, module, before))
        for key, value in before.items():
            if isinstance(value, types.FunctionType):
                codes.append((f"{name}.{key}", value, value.__code__, value.__defaults__))
            elif name not in WATCHED and isinstance(value, type):
                if value.__module__.split(".")[0] == "attnbook":
                    classes.append((f"{name}.{key}", value, dict(vars(value))))
            elif name not in WATCHED and isinstance(value, dict) and not key.startswith("__"):
                tables.append((f"{name}.{key}", value, dict(value)))
    # IPython itself gives a notebook an `open` and an `exit` of its own.
    hiding = {key: namespace[key] for key in namespace.keys() & vars(builtins).keys()}
    running = (sys.gettrace(), note_shell(shell, codes)) if shell else None
    sys.modules[PLACE] = (held, codes, classes, tables, hiding, running)


def note_shell(shell, codes):
    """Remember what stands between the text of a cell and its running."""
    hooks = [(name, owner, key, list(read(owner, key))) for name, owner, key in places(shell)]
    methods = []
    for one in filter(None, (shell, getattr(shell, "kernel", None))):
        for cls in type(one).__mro__:
            if cls.__module__.split(".")[0] in ("IPython", "ipykernel"):
                own = {k: v for k, v in vars(cls).items() if isinstance(v, types.FunctionType)}
                methods.append((cls, own))
                codes += [(v.__qualname__, v, v.__code__, v.__defaults__) for v in own.values()]
        methods.append((one, {k: v for k, v in vars(one).items() if callable(v)}))
    return hooks, methods


def places(shell):
    """Return the lists of functions that IPython calls on each cell before it runs."""
    manager = shell.input_transformer_manager
    owners = [("ast_transformers", shell), ("input_transformers_post", shell)]
    owners += [(f"{name}_transforms", manager) for name in ("cleanup", "line")]
    owners += [("token_transformers", manager)]
    owners += [(event, shell.events.callbacks) for event in ("pre_execute", "pre_run_cell")]
    return [(f"IPython's {key}", owner, key) for key, owner in owners]


def read(owner, key):
    """Return an item of a dictionary, or an attribute of anything else."""
    return owner[key] if isinstance(owner, dict) else getattr(owner, key)


def put_back_shell(running, changed):
    """Undo what was hung between cells and their running."""
    trace, (hooks, methods) = running
    if sys.gettrace() is not trace:
        changed.add("sys.settrace")
        sys.settrace(trace)
    for name, owner, key, before in hooks:
        if list(read(owner, key)) != before:
            changed.add(name)
            read(owner, key)[:] = before
    for one, before in methods:
        now = dict(vars(one))
        for key, value in before.items():
            if now.get(key) is not value:
                changed.add(f"{getattr(one, '__name__', type(one).__name__)}.{key}")
                setattr(one, key, value)
        if not isinstance(one, type):  # a method of its own hides that of its class
            for key in now.keys() - before.keys():
                if callable(now[key]) and callable(getattr(type(one), key, None)):
                    changed.add(f"{type(one).__name__}.{key}")
                    delattr(one, key)


def put_back(namespace):
    """Undo what was changed since, and return the names of it."""
    held, codes, classes, tables, hiding, running = sys.modules[PLACE]
    changed = set()
    if running:
        put_back_shell(running, changed)
    for name, module, before in held:
        if sys.modules.get(name) is not module:
            changed.add(name)
            sys.modules[name] = module
        now = vars(module)
        for key, value in before.items():
            if now.get(key, now) is not value:
                changed.add(f"{name}.{key}")
                now[key] = value
    for name, function, code, defaults in codes:
        if function.__code__ is not code or function.__defaults__ is not defaults:
            changed.add(name)
            function.__code__, function.__defaults__ = code, defaults
    for name, cls, before in classes:
        now = dict(vars(cls))
        for key in before.keys() | now.keys():
            if key not in before:
                changed.add(f"{name}.{key}")
                delattr(cls, key)
            elif now.get(key, now) is not before[key]:
                changed.add(f"{name}.{key}")
                setattr(cls, key, before[key])
    for name, table, before in tables:
        if table.keys() != before.keys() or any(table[key] is not before[key] for key in before):
            changed.add(name)
            table.clear()
            table.update(before)
    for key in (namespace.keys() & vars(builtins).keys()) | hiding.keys():
        if key in FREE or namespace.get(key) is hiding.get(key):
            continue
        changed.add(f"the builtin {key}")
        if key in hiding:
            namespace[key] = hiding[key]
        else:
            del namespace[key]
    return sorted(changed)


def run(imports, namespace):
    """Do the one or the other; what the grader calls."""
    return put_back(namespace) if PLACE in sys.modules else note(imports, namespace)
