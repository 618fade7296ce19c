"""Make the student edition of the exercises: the source without its solutions and hidden tests.

    python scripts/student_edition.py            writes _build/student/<topic>.ipynb and <topic>.zip

The same source gives the same bytes. `exercises/<topic>.ipynb` is the only source. It is an
ordinary notebook that runs from top to bottom with its solutions in, and an nbgrader source.

Each exercise is a run of cells. Every cell of it carries, in its metadata,

    "attnbook": {"exercise": "soft_lookup", "kind": "practice", "part": "task"}

    exercise   the name that `attnbook.checks.check` knows, the same in all cells of the exercise
    kind       "practice": its worked solution is on the site;
               "assignment": its solution is in the source and the instructor edition alone
    part       "task"      Markdown; opens with "### Title"; also has "minutes", a whole number;
                           hints are <details><summary>Hint 1</summary> ... </details> at its end
               "starter"   code that the reader completes
               "check"     code: the visible check
               "tests"     code; assignments only: what nbgrader grades
               "plot"      code that uses the reader's function once it is right
               "answer"    Markdown: the solution in words (for an assignment: also the rubric)

Cells without this key (a title, the imports) belong to no exercise and stay. The parts with
code are nbgrader cells as well, "nbgrader" metadata of schema_version 3:

    starter    grade_id NAME         solution: true,  locked: false, grade: false
    check      grade_id NAME-check   solution: false, locked: true,  grade: false
    tests      grade_id NAME-tests   solution: false, locked: true,  grade: true, points: N

The delimiters are nbgrader's own. In a starter, the lines from `### BEGIN SOLUTION` to
`### END SOLUTION` become nbgrader's stub, `# YOUR CODE HERE` and `raise NotImplementedError()`,
so that nbgrader's own `generate_assignment` gives the same cell. In tests, the lines from
`### BEGIN HIDDEN TESTS` to `### END HIDDEN TESTS` go. Cells of part "answer" go. Outputs go.
"""
