# Two commands: `make book` builds the site, `make test` tests everything.
# `make book PYTHON=/path/to/python3` chooses the Python that the environment is made from.

PY    := .venv/bin/python
READY := .venv/.ready
SITE  := _build/.built
# For instructors only: nbgrader, in an environment of its own that sees the book's.
INSTRUCTOR := .venv/instructor
SOURCES := $(wildcard _config.yml _toc.yml *.md *.bib) \
	$(shell find chapters exercises attnbook sphinxext _static -type f -not -path '*/[.]*' -not -path '*__pycache__*' 2>/dev/null)

# What is measured, and kept in benchmarks/results/.
BENCHMARKS ?= page_weight figure_events self_attention flash block_sparse \
	sparse_attention paged_decode cached_decoding ring

# Two notebooks run at a time, each on one core: also what makes their numbers repeatable.
export OMP_NUM_THREADS ?= 1
export PYTHON

.PHONY: book serve test bench bench-gpu notebooks student assignment grade instructor elsewhere quizzes lint clean distclean

book: $(SITE)
	@$(PY) scripts/build_site.py --where

serve: $(SITE)
	@$(PY) -m http.server --bind 127.0.0.1 --directory _build/html 8000

test: $(SITE)
	@$(PY) -m pytest -n 2 --dist loadfile

bench: $(SITE)
	@for each in $(BENCHMARKS); do OMP_NUM_THREADS=$$(nproc) $(PY) benchmarks/$$each.py || exit; done

bench-gpu: $(READY)
	@$(PY) benchmarks/flash_gpu.py

notebooks: $(READY)
	@$(PY) scripts/refresh_notebooks.py

# For a learning platform: Moodle XML and QTI for Canvas, in build/quizzes.
quizzes: $(READY)
	@$(PY) scripts/export_quizzes.py

student: $(READY)
	@$(PY) scripts/student_edition.py

# make assignment CHAPTER=temperature; make grade CHAPTER=temperature SUBMISSIONS=folder
# COURSE=folder is where both keep their files; UNSAFE=1 grades without a sandbox.
assignment: $(INSTRUCTOR)/.ready
	@$(INSTRUCTOR)/bin/python scripts/assignment.py "$(CHAPTER)" $(if $(COURSE),--course "$(COURSE)")

grade: $(INSTRUCTOR)/.ready
	@$(INSTRUCTOR)/bin/python scripts/grade.py "$(CHAPTER)" "$(SUBMISSIONS)" \
		$(if $(COURSE),--course "$(COURSE)") $(if $(UNSAFE),--no-sandbox)

instructor: $(INSTRUCTOR)/.ready

# Other libraries, so that `make test` also tests what the book says of them.
elsewhere: .venv/elsewhere/.ready

lint: $(READY)
	@$(PY) -m ruff check . && $(PY) -m ruff format --check .

clean:
	rm -rf _build build *.egg-info .pytest_cache .ruff_cache .hypothesis

distclean: clean
	rm -rf .venv

# The environment is made anew only when what it should hold has changed.
$(READY): requirements.txt pyproject.toml
	@bash scripts/setup.sh

.venv/%/.ready: $(READY) requirements-%.txt
	@bash scripts/beside.sh $*

$(SITE): $(READY) $(SOURCES)
	@$(PY) scripts/build_site.py
