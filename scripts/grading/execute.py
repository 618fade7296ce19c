"""nbgrader's Execute, for code that nobody has read yet.

Whatever a cell does, what the student earned before it counts: when the kernel is gone, the cells
after are marked as not run, which nbgrader scores as zero, and the submission is flagged.
"""

import ast
import contextlib
import json
import time
from secrets import token_hex

from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import Execute
from nbgrader.utils import is_grade
from traitlets import Bool, Integer, List, Unicode

from grading import sandbox
from grading.kernel import SandboxedKernel, Watch

GUARD = (sandbox.INSIDE / "guard.py").read_text()
OUTPUT_BYTES = 4_000_000  # what one cell may write


class StoppedError(Exception):
    """The kernel cannot go on; the message says why."""


def imported(nb: NotebookNode) -> list[str]:
    """Return the modules that the graded cells import."""
    names = set()
    for cell in nb.cells:
        if cell.cell_type != "code" or not is_grade(cell):
            continue
        try:
            tree = ast.parse(cell.source)
        except SyntaxError:
            continue  # a manually graded answer may be anything
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module)
    return sorted(names)


class GradedRun(Execute):
    """Runs a notebook in a sandboxed kernel and collects `flags` for the person who grades."""

    folder = Unicode(help="The one folder that the kernel may write to.").tag(config=True)
    memory_mb = Integer(2048).tag(config=True)
    sandboxed = Bool(True).tag(config=True)
    total_seconds = Integer(600, help="For the whole notebook.").tag(config=True)
    tests = List(Unicode(), help="Modules that the tests import.").tag(config=True)

    flags: list[str] = []  # noqa: RUF012  one process grades one submission
    watch: Watch | None = None

    def create_kernel_manager(self):
        self.km = SandboxedKernel(
            folder=self.folder, memory_mb=self.memory_mb, sandboxed=self.sandboxed
        )
        return self.km

    def start_new_kernel(self, **_):
        super().start_new_kernel(**self.km.start_options())
        until = time.monotonic() + self.total_seconds
        self.watch = Watch(self.km.provisioner.process.pid, self.folder, self.memory_mb, until)
        self.watch.start()

    def preprocess(self, nb, resources, km=None):
        self.stopped, self.first = "", True
        try:
            return super().preprocess(nb, resources, km)
        finally:
            if self.watch:  # else no kernel could be started
                self.watch.over.set()

    def preprocess_cell(self, cell, resources, index):
        if cell.cell_type != "code":
            return cell, resources
        self.written, self.answered = 0, False
        try:
            if self.stopped:
                raise StoppedError(self.stopped)
            if self.first or is_grade(cell):
                self.put_back()
                self.first = False
            cell, resources = super().preprocess_cell(cell, resources, index)
            if is_grade(cell) and not self.answered:
                raise StoppedError("a test was not run")  # nbgrader would give it all its points
            if is_grade(cell):
                self.keep_honest(cell)
                with contextlib.suppress(DeadKernelError, CellTimeoutError, StoppedError):
                    self.put_back(during=True)  # what the tested code itself rebound
        except (DeadKernelError, CellTimeoutError, StoppedError) as error:
            self.stop(error)
            message = f"Not run to its end: {self.stopped}."
            cell.outputs = [*cell.get("outputs", [])[:20], failure("Stopped", message)]
        return cell, resources

    def on_cell_executed(self, **about):
        # A kernel may also drop what it was asked to run, and call that "aborted".
        self.answered = about["execute_reply"]["content"]["status"] in ("ok", "error")
        super().on_cell_executed(**about)

    async def _async_handle_timeout(self, timeout, cell=None):
        self.flag(f"a cell was stopped after {timeout} seconds")
        return await super()._async_handle_timeout(timeout, cell)

    def stop(self, error: Exception) -> None:
        """Note why the kernel cannot go on, once, and end it."""
        if self.stopped:
            return
        if self.watch.reason:
            self.stopped = f"the notebook {self.watch.reason}"
        elif isinstance(error, StoppedError):
            self.stopped = str(error)
        elif isinstance(error, CellTimeoutError):
            self.stopped = "a cell did not stop when its time was over"
        else:
            self.stopped = "the notebook ended its own kernel"
        self.flags.append(self.stopped)
        self.watch.over.set()
        self.watch.join()
        self.watch.end()

    def put_back(self, during: bool = False) -> None:
        """Undo what the notebook rebound, and see whether an error is still an error."""
        when = "it did so during a test" if during else "it was put back before the tests"
        call = f"(lambda n: exec({GUARD!r}, n) or n['run']({self.tests!r}, globals()))({{}})"
        expressions = {"changed": call}
        reply = self.ask("", silent=True, user_expressions=expressions)
        try:
            answer = reply["user_expressions"]["changed"]["data"]["text/plain"]
            for name in ast.literal_eval(answer) or []:
                self.flag(f"rebinds {name}; {when}")
        except (KeyError, TypeError, ValueError, SyntaxError):
            self.flag("the tests could not be protected from what the notebook rebound")
        secret = token_hex(8)
        reply = self.ask(f"assert False, {secret!r}", store_history=False)
        if reply.get("status") != "error" or reply.get("evalue") != secret:
            self.flag("changes how cells run: a failing test does not fail")

    def keep_honest(self, cell: NotebookNode) -> None:
        """Take away what the tested code wrote as if it were the result of the test.

        nbgrader reads the outputs in their order, and the first number is the score: a function
        that calls `sys.displayhook(4)` would get four points before it fails.
        """
        if not ends_with_value(cell.source):
            kept = [one for one in cell.outputs if one.output_type != "execute_result"]
            if len(kept) < len(cell.outputs):
                self.flag("wrote a result of its own into a test; it was taken out")
            cell.outputs = kept
        cell.outputs.sort(key=lambda output: output.output_type != "error")

    def ask(self, code: str, **options) -> dict:
        """Run code that is no cell of the notebook, and return the kernel's reply."""
        # By default an error makes the kernel drop what comes next.
        options |= {"allow_stdin": False, "stop_on_error": False}
        reply = self.wait_for_reply(self.kc.execute(code, **options))
        if reply is None:
            raise StoppedError("the kernel no longer answers")
        return reply["content"]

    def flag(self, text: str) -> None:
        if text not in self.flags:
            self.flags.append(text)

    def process_message(self, msg, cell, cell_index):
        """Take an output; end the kernel of a cell that writes without end."""
        if msg["msg_type"] in ("stream", "display_data", "execute_result", "error"):
            self.written += len(json.dumps(msg["content"], default=str))
            if self.written > OUTPUT_BYTES:
                self.watch.end(f"wrote more than {OUTPUT_BYTES // 1000} kB in one cell")
                return None
        return super().process_message(msg, cell, cell_index)


def ends_with_value(source: str) -> bool:
    """Return whether a cell's last line is an expression, whose value Jupyter shows."""
    try:
        lines = ast.parse(source).body
    except SyntaxError:
        return False
    return bool(lines) and isinstance(lines[-1], ast.Expr)


def failure(name: str, message: str) -> NotebookNode:
    """Return an output that nbgrader takes for an error."""
    return new_output("error", ename=name, evalue=message, traceback=[message])
